"use strict";
/* What each row cost, as its runs measured it. */
(function (P) {
  const { el } = P;

  P.view("board/:slug/costs", async ({ slug }) => {
    const board = await P.board(slug);
    const names = [...new Set(board.rows.flatMap((row) => Object.keys(row.cost || {})))].sort();
    const header = ["method", "kind", ...names];
    const rows = board.rows.map((row, k) => [
      row.label,
      board.page.rows[k].kind,
      ...names.map((name) => P.own(row.cost, name) ?? null),
    ]);
    const cell = (value) =>
      el("span.n", { title: value === null ? "not measured" : String(value) }, P.short(value, 4));
    const table = P.table(
      "Means over the seeds of a row; they differ between machines",
      ["method", "kind", ...names],
      rows.map(([label, kind, ...costs]) => [label, kind, ...costs.map(cell)]),
    );
    const words = {
      seconds_per_image_p50: "median",
      seconds_per_image_p95: "95% of pictures are faster",
    };
    const told = names
      .filter((name) => P.own(words, name))
      .map((name) => `${name}: ${words[name]}.`);
    return {
      title: `Costs, ${board.standings.board.title}`,
      page: [
        P.heading(board, "costs", "What it costs"),
        names.length
          ? [
              table,
              P.notes(told),
              el(
                "p.downloads",
                el("span.soft", "Download this table: "),
                P.saves(`${slug}-costs`, () => ({ header, rows })),
              ),
            ]
          : [el("p", "No row says what it cost.")],
      ].flat(),
    };
  });
})(PGBENCH);
