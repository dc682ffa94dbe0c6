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
    const [first, other, sign] = a === 0 ? [a, b, -1] : [b, a, 1];
    const ofBoard = column.headline && first === 0 && board.standings.methods.length > 0;
    const known = ofBoard ? board.rows[other].versus_first : null;
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
      P.fact("after \u00b1", `standard error over ${board.nouns[1]}`),
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
        { id: "swap", onclick: () => go({ a: P.nameOf(board, b), b: P.nameOf(board, a) }) },
        "Swap",
      ),
    );
  }

  const signOf = (column) => (column.direction === "lower" ? -1 : 1);

  function balance(column, pairs) {
    const sign = signOf(column);
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

  function downloads(board, names, pairs) {
    const table = () => ({
      header: [board.nouns[0], `A: ${names[0]}`, `B: ${names[1]}`, "A minus B"],
      rows: pairs.map((one) => [one.user, one.a, one.b, one.value]),
    });
    return el(
      "p.downloads",
      el("span.soft", "Download: "),
      P.saves(`${board.slug}-compare`, table),
    );
  }

  /* Which two rows and which column an address names, or the usual ones. */
  function asked(board, query) {
    const asA = P.rowOf(board, query.get("a"));
    const asB = P.rowOf(board, query.get("b"));
    const a = asA >= 0 ? asA : asB === 0 ? 1 : 0;
    const b = asB >= 0 ? asB : a === 0 ? 1 : 0;
    const usable = board.columns.filter((one) => one.by_user !== false);
    const column =
      usable.find((one) => one.metric === query.get("metric")) ||
      usable.find((one) => one.headline) ||
      usable[0];
    const gone = ["a", "b"]
      .map((side) => query.get(side))
      .filter((name) => name !== null && P.rowOf(board, name) < 0);
    const metric = query.get("metric");
    return {
      a,
      b,
      column,
      gone: [
        ...P.gone("row", gone),
        ...P.gone("column by person", metric && column?.metric !== metric ? [metric] : []),
      ],
    };
  }

  /* Every person as a line of a table, those before whom A is better by most first. */
  function byPerson(board, column, pairs, choose) {
    const [one, several] = board.nouns;
    const ends =
      column.direction === "none"
        ? "from the largest difference to the smallest"
        : "from A's best to B's best";
    const number = (value) => el("span.n", { title: String(value) }, P.number(value, column));
    return P.table(
      `All ${several}, ${ends}`,
      [one, "A", "B", "A minus B"],
      pairs.map((pair) => [
        el(
          "button.as-link",
          { "data-user": pair.user, onclick: () => choose(pair.user) },
          pair.user,
        ),
        number(pair.a),
        number(pair.b),
        number(pair.value),
      ]),
    );
  }

  const empty = (board, text) => ({
    title: "Compare",
    page: [P.heading(board, "compare", "Compare"), el("p", text)],
  });

  P.view("board/:slug/compare", async ({ slug }, query) => {
    const board = await P.board(slug);
    if (board.rows.length < 2) return empty(board, "There are not two rows to compare.");
    const { a, b, column, gone } = asked(board, query);
    if (!column) return empty(board, `No column of this board is by ${board.nouns[0]}.`);
    const names = [a, b].map((k) => board.page.rows[k].label);
    const [values, lists, { people }] = await Promise.all([
      P.valuesOf(board, column),
      P.pictureLists(board, [a, b]),
      P.peopleOf(board),
    ]);
    const pairs = pairsOf(values, a, b).sort((x, y) => signOf(column) * (y.value - x.value));
    const isSeen = (name) => lists.some((list) => P.picturesFor(board, list, name).length);
    const wanted = query.get("user");
    const isGone = wanted !== null && !values.users.includes(wanted) && !isSeen(wanted);
    if (isGone) gone.push(...P.gone(board.nouns[0], [wanted]));
    let user = isGone
      ? null
      : (wanted ?? (pairs.find((one) => isSeen(one.user)) || pairs[0])?.user ?? null);
    const address = () => ({
      a: P.nameOf(board, a),
      b: P.nameOf(board, b),
      metric: column.headline ? "" : column.metric,
      user,
    });
    const go = (part) => P.go(["board", slug, "compare"], { ...address(), ...part });
    const place = el("section", { id: "pair", "aria-live": "polite" });
    const show = (chosen) => {
      const shown = P.pairPictures(board, [a, b], chosen, { lists, people });
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
    const table = byPerson(board, column, pairs, choose);
    const figure = P.figure(
      `Each dot is a ${board.nouns[0]}: ${column.metric} of A minus B (${P.better(column)}). A click shows the pictures.`,
      (width) =>
        P.differences(
          pairs.map((one) => ({
            user: one.user,
            value: one.value / 10 ** column.exponent,
            chosen: one.user === user,
          })),
          column,
          { nouns: board.nouns, names, choose, width },
        ),
    );
    return {
      title: `${names[0]} against ${names[1]}`,
      page: [
        P.heading(board, "compare", `${names[0]} against ${names[1]}`),
        ...gone,
        controls(board, a, b, column, go),
        ...(pairs.length
          ? [
              el("p.facts", verdict(board, column, a, b, pairs)),
              balance(column, pairs),
              el("div.two", figure, el("div", table, downloads(board, names, pairs))),
            ]
          : [el("p", "Nobody has a value of both.")]),
        place,
      ],
      ready: () => (user === null ? null : show(user)),
    };
  });
})(PGBENCH);
