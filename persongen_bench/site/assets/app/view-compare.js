"use strict";
/* Two rows, person by person. */
(function (P) {
  const EQUAL = 1e-12;

  function pairsOf(values, a, b) {
    return values.users.map((user, k) => ({ user, a: values.values[a][k], b: values.values[b][k] }))
      .filter((one) => one.a !== null && one.b !== null).map((one) => ({ ...one, value: one.a - one.b }));
  }

  const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

  /* The board's own test where it has one for this pair; else the mean with its standard error. */
  function verdict(board, column, a, b, pairs) {
    const [first, other, sign] = board.rows[a].rank === 1 ? [a, b, -1] : [b, a, 1];
    const known = column.headline && board.rows[first].rank === 1 ? board.rows[other].versus_first : null;
    if (known && known.mean !== null) {
      const ends = [sign * known.low, sign * known.high].sort((x, y) => x - y);
      const p = known.p_holm ?? known.p_value;
      return [P.fact("A minus B", P.el("strong", { title: String(sign * known.mean) }, P.number(sign * known.mean, column)), ` [${P.number(ends[0], column)}, ${P.number(ends[1], column)}]`),
        P.fact(known.p_holm === null ? "p" : "p (Holm)", P.el("span", { title: String(p) }, P.short(p, 2))),
        P.fact("smallest difference that would be found", P.short(known.minimum_detectable_effect, 2))];
    }
    const d = pairs.map((one) => one.value);
    const m = mean(d);
    const error = Math.sqrt(mean(d.map((one) => (one - m) ** 2)) / Math.max(1, d.length - 1));
    return [P.fact("A minus B", P.el("strong", { title: String(m) }, P.number(m, column)), ` \u00b1 ${P.number(error, column)}`),
      P.fact("after \u00b1", "standard error over people")];
  }

  function controls(board, a, b, column, go) {
    const rows = board.page.rows.map((facts, k) => [P.nameOf(board, k), facts.label]);
    return P.el("div", { class: "toolbar" },
      P.choice("A", rows, P.nameOf(board, a), (name) => go({ a: name })), P.choice("B", rows, P.nameOf(board, b), (name) => go({ b: name })),
      P.choice("Metric", board.columns.filter((one) => one.by_user !== false).map((one) => [one.metric, one.header]), column.metric, (metric) => go({ metric })),
      P.el("button", { type: "button", class: "quiet", onclick: () => go({ a: P.nameOf(board, b), b: P.nameOf(board, a) }) }, "Swap"));
  }

  function counts(column, pairs) {
    const sign = column.direction === "lower" ? -1 : 1;
    const wins = pairs.filter((one) => sign * one.value > EQUAL).length;
    const losses = pairs.filter((one) => sign * one.value < -EQUAL).length;
    return [wins, pairs.length - wins - losses, losses];
  }

  /* Every person as a line of a table. */
  function byPerson(column, pairs, choose) {
    const sorted = [...pairs].sort((x, y) => y.value - x.value);
    const number = (value) => P.el("span", { class: "n", title: String(value) }, P.number(value, column));
    return P.table("Person by person, from A's best to B's best", ["person", "A", "B", "A minus B"], sorted.map((one) =>
      [P.el("button", { type: "button", class: "as-link", "data-user": one.user, onclick: () => choose(one.user) }, one.user),
        number(one.a), number(one.b), number(one.value)]));
  }

  async function pictures(board, a, b, user) {
    const lists = await Promise.all([a, b].map((k) => P.want(`pictures/${board.slug}/${k}`)));
    const of = ({ users }) => (Object.hasOwn(users, user) ? users[user] : []);
    const own = lists.map(of);
    const keys = P.keysOf(own);
    if (!keys.length) return P.el("p", { class: "soft" }, "No pictures of this person are in the site.");
    const byKey = own.map((list) => new Map(list.map((one) => [P.keyOf(one), one])));
    const row = (k, name) => P.el("div", { class: "pair-row" }, P.el("h3", {}, `${name}: ${board.page.rows[[a, b][k]].label}`),
      P.el("div", { class: "shots" }, keys.map(([key]) => {
        const picture = byKey[k].get(key);
        if (!picture) return P.el("div", { class: "shot-card" }, P.el("span", { class: "no-thumb" }, "\u2013"));
        const told = P.toldOf(picture);
        const words = `${name} ${board.page.rows[[a, b][k]].label}: ${user}, picture ${picture.index + 1}${told ? `, ${told}` : ""}`;
        return P.el("div", { class: "shot-card" }, P.shot(picture, words), P.tasteOf(picture));
      })));
    return P.el("div", {}, row(0, "A"), row(1, "B"));
  }

  P.view("board/:slug/compare", async ({ slug }, asked) => {
    const board = await P.board(slug);
    if (board.rows.length < 2) return { title: "Compare", page: [P.heading(board, "compare", "Compare"), P.el("p", {}, "There are not two rows to compare.")] };
    const asA = P.rowOf(board, asked.get("a"));
    const a = asA >= 0 ? asA : 0;
    const asB = P.rowOf(board, asked.get("b"));
    const b = asB >= 0 ? asB : a === 0 ? 1 : 0;
    const usable = board.columns.filter((one) => one.by_user !== false);
    const column = usable.find((one) => one.metric === asked.get("metric")) || usable.find((one) => one.headline) || usable[0];
    const names = [a, b].map((k) => board.page.rows[k].label);
    const heading = P.heading(board, "compare", `${names[0]} against ${names[1]}`);
    if (!column) return { title: "Compare", page: [heading, P.el("p", {}, "No column of this board is by person.")] };
    const pairs = pairsOf(await P.valuesOf(board, column), a, b);
    let user = asked.get("user");
    const query = () => ({ a: P.nameOf(board, a), b: P.nameOf(board, b), metric: column.headline ? "" : column.metric, user });
    const go = (part) => P.go(["board", slug, "compare"], { ...query(), ...part });
    const [wins, ties, losses] = counts(column, pairs);
    const saved = () => ({ header: ["person", names[0], names[1], "difference"], rows: pairs.map((one) => [one.user, one.a, one.b, one.value]) });
    const place = P.el("section", { id: "pair", "aria-live": "polite" });
    const show = async (chosen) => {
      const shown = await pictures(board, a, b, chosen);
      place.replaceChildren(P.el("h2", {}, `Pictures for ${chosen}`), shown);
      for (const one of table.querySelectorAll("[data-user]")) one.setAttribute("aria-pressed", String(one.dataset.user === chosen));
      P.lightbox(place);
    };
    const choose = (chosen) => {
      user = chosen;
      P.seen(["board", slug, "compare"], query());
      figure.redraw();
      return show(chosen);
    };
    const table = byPerson(column, pairs, choose);
    const figure = P.figure(`Each dot is a person: ${column.metric} of A minus B (${P.better(column)}). A click shows their pictures.`, (width) =>
      P.differences(pairs.map((one) => ({ user: one.user, value: one.value / 10 ** column.exponent, chosen: one.user === user })), column, { names, choose, width }));
    return { title: `${names[0]} against ${names[1]}`, page: [
      heading, controls(board, a, b, column, go),
      ...(pairs.length ? [
        P.el("p", { class: "facts" }, verdict(board, column, a, b, pairs)),
        P.el("div", { class: "balance" }, P.el("p", {}, P.el("strong", { class: "win-text" }, `A wins ${wins}`), ` \u00b7 ${P.plural(ties, "tie")} \u00b7 `, P.el("strong", { class: "loss-text" }, `B wins ${losses}`)), P.balance(wins, ties, losses)),
        P.el("div", { class: "two" },
          figure, P.el("div", {}, table, P.el("p", { class: "downloads" }, P.el("span", { class: "soft" }, "Download: "), P.saves(`${slug}-compare`, saved)))),
      ] : [P.el("p", {}, "Nobody has a value of both.")]),
      place,
    ], ready: async () => {
      const best = pairs.length ? pairs.reduce((x, y) => (y.value > x.value ? y : x)).user : null;
      if ((user ?? best) !== null) await show(user ?? best);
    } };
  });
})(PGBENCH);
