"use strict";
/* Two rows, person by person. */
(function (P) {
  const { el } = P;

  const EQUAL = 1e-12;

  function pairsOf(values, a, b) {
    return values.users
      .map((user, k) => ({ user, a: values.values[a][k], b: values.values[b][k] }))
      .filter((one) => one.a !== null && one.b !== null)
      .map((one) => ({ ...one, value: one.a - one.b }));
  }

  const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

  /* The board's own test where it has one for this pair; else the mean with its standard error. */
  function verdict(board, column, a, b, pairs) {
    const [first, other, sign] = board.rows[a].rank === 1 ? [a, b, -1] : [b, a, 1];
    const known =
      column.headline && board.rows[first].rank === 1 ? board.rows[other].versus_first : null;
    if (known && known.mean !== null) {
      const ends = [sign * known.low, sign * known.high].sort((x, y) => x - y);
      const p = known.p_holm ?? known.p_value;
      return [
        P.fact(
          "A minus B",
          el("strong", { title: String(sign * known.mean) }, P.number(sign * known.mean, column)),
          ` [${P.number(ends[0], column)}, ${P.number(ends[1], column)}]`,
        ),
        P.fact(
          known.p_holm === null ? "p" : "p (Holm)",
          el("span", { title: String(p) }, P.short(p, 2)),
        ),
        P.fact(
          "smallest difference that would be found",
          P.short(known.minimum_detectable_effect, 2),
        ),
      ];
    }
    const d = pairs.map((one) => one.value);
    const m = mean(d);
    const error = Math.sqrt(mean(d.map((one) => (one - m) ** 2)) / Math.max(1, d.length - 1));
    return [
      P.fact(
        "A minus B",
        el("strong", { title: String(m) }, P.number(m, column)),
        ` \u00b1 ${P.number(error, column)}`,
      ),
      P.fact("after \u00b1", "standard error over people"),
    ];
  }

  function controls(board, a, b, column, go) {
    const rows = board.page.rows.map((facts, k) => [P.nameOf(board, k), facts.label]);
    return el(
      "div.toolbar",
      P.choice("A", rows, P.nameOf(board, a), (name) => go({ a: name })),
      P.choice("B", rows, P.nameOf(board, b), (name) => go({ b: name })),
      P.choice(
        "Metric",
        board.columns.filter((one) => one.by_user !== false).map((one) => [one.metric, one.header]),
        column.metric,
        (metric) => go({ metric }),
      ),
      el(
        "button.quiet",
        { onclick: () => go({ a: P.nameOf(board, b), b: P.nameOf(board, a) }) },
        "Swap",
      ),
    );
  }

  function balance(column, pairs) {
    const sign = column.direction === "lower" ? -1 : 1;
    const wins = pairs.filter((one) => sign * one.value > EQUAL).length;
    const losses = pairs.filter((one) => sign * one.value < -EQUAL).length;
    const ties = pairs.length - wins - losses;
    const says = column.direction === "none" ? "is higher for" : "wins";
    const won = el("strong.win-text", `A ${says} ${wins}`);
    const lost = el("strong.loss-text", `B ${says} ${losses}`);
    return el(
      "div.balance",
      el("p", won, ` \u00b7 ${P.plural(ties, "tie")} \u00b7 `, lost),
      P.balance(wins, ties, losses),
    );
  }

  function downloads(slug, names, pairs) {
    const table = () => ({
      header: ["person", ...names, "difference"],
      rows: pairs.map((one) => [one.user, one.a, one.b, one.value]),
    });
    return el("p.downloads", el("span.soft", "Download: "), P.saves(`${slug}-compare`, table));
  }

  /* Which two rows and which column an address names, or the usual ones. */
  function asked(board, query) {
    const asA = P.rowOf(board, query.get("a"));
    const a = asA >= 0 ? asA : 0;
    const asB = P.rowOf(board, query.get("b"));
    const b = asB >= 0 ? asB : a === 0 ? 1 : 0;
    const usable = board.columns.filter((one) => one.by_user !== false);
    const column =
      usable.find((one) => one.metric === query.get("metric")) ||
      usable.find((one) => one.headline) ||
      usable[0];
    return { a, b, column };
  }

  /* Every person as a line of a table. */
  function byPerson(column, pairs, choose) {
    const sorted = [...pairs].sort((x, y) => y.value - x.value);
    const number = (value) => el("span.n", { title: String(value) }, P.number(value, column));
    return P.table(
      "Person by person, from A's best to B's best",
      ["person", "A", "B", "A minus B"],
      sorted.map((one) => [
        el("button.as-link", { "data-user": one.user, onclick: () => choose(one.user) }, one.user),
        number(one.a),
        number(one.b),
        number(one.value),
      ]),
    );
  }

  async function pictures(board, a, b, user) {
    const lists = await Promise.all([a, b].map((k) => P.want(`pictures/${board.slug}/${k}`)));
    const of = ({ users }) => (Object.hasOwn(users, user) ? users[user] : []);
    const own = lists.map(of);
    const keys = P.keysOf(own);
    if (!keys.length) return el("p.soft", "No pictures of this person are in the site.");
    const byKey = own.map((list) => new Map(list.map((one) => [P.keyOf(one), one])));
    const row = (k, name) =>
      el(
        "div.pair-row",
        el("h3", `${name}: ${board.page.rows[[a, b][k]].label}`),
        el(
          "div.shots",
          keys.map(([key]) => {
            const picture = byKey[k].get(key);
            if (!picture) return el("div.shot-card", el("span.no-thumb", "\u2013"));
            const told = P.toldOf(picture);
            const words = `${name} ${board.page.rows[[a, b][k]].label}: ${user}, picture ${picture.index + 1}${told ? `, ${told}` : ""}`;
            return el("div.shot-card", P.shot(picture, words), P.tasteOf(picture));
          }),
        ),
      );
    return el("div", row(0, "A"), row(1, "B"));
  }

  const empty = (board, text) => ({
    title: "Compare",
    page: [P.heading(board, "compare", "Compare"), el("p", text)],
  });

  P.view("board/:slug/compare", async ({ slug }, query) => {
    const board = await P.board(slug);
    if (board.rows.length < 2) return empty(board, "There are not two rows to compare.");
    const { a, b, column } = asked(board, query);
    if (!column) return empty(board, "No column of this board is by person.");
    const names = [a, b].map((k) => board.page.rows[k].label);
    const pairs = pairsOf(await P.valuesOf(board, column), a, b);
    const best = pairs.length ? pairs.reduce((x, y) => (y.value > x.value ? y : x)).user : null;
    let user = query.get("user") ?? best;
    const address = () => ({
      a: P.nameOf(board, a),
      b: P.nameOf(board, b),
      metric: column.headline ? "" : column.metric,
      user,
    });
    const go = (part) => P.go(["board", slug, "compare"], { ...address(), ...part });
    const place = el("section", { id: "pair", "aria-live": "polite" });
    const show = async (chosen) => {
      const shown = await pictures(board, a, b, chosen);
      place.replaceChildren(el("h2", `Pictures for ${chosen}`), shown);
      for (const one of table.querySelectorAll("[data-user]"))
        one.setAttribute("aria-pressed", String(one.dataset.user === chosen));
      P.lightbox(place);
    };
    const choose = (chosen) => {
      user = chosen;
      P.seen(["board", slug, "compare"], address());
      figure.redraw();
      return show(chosen);
    };
    const table = byPerson(column, pairs, choose);
    const figure = P.figure(
      `Each dot is a person: ${column.metric} of A minus B (${P.better(column)}). A click shows their pictures.`,
      (width) =>
        P.differences(
          pairs.map((one) => ({
            user: one.user,
            value: one.value / 10 ** column.exponent,
            chosen: one.user === user,
          })),
          column,
          { names, choose, width },
        ),
    );
    return {
      title: `${names[0]} against ${names[1]}`,
      page: [
        P.heading(board, "compare", `${names[0]} against ${names[1]}`),
        controls(board, a, b, column, go),
        ...(pairs.length
          ? [
              el("p.facts", verdict(board, column, a, b, pairs)),
              balance(column, pairs),
              el("div.two", figure, el("div", table, downloads(slug, names, pairs))),
            ]
          : [el("p", "Nobody has a value of both.")]),
        place,
      ],
      ready: () => (user === null ? null : show(user)),
    };
  });
})(PGBENCH);
