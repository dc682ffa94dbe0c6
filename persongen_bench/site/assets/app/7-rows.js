"use strict";
/* A board's rows as Tabulator takes them. */
(function (P) {
  /* Methods, anchors, and what papers report, in this order. */
  P.boardRows = (board) => {
    const own = board.rows.map((row, k) => {
      const facts = board.page.rows[k];
      return {
        kind: facts.kind,
        label: facts.label,
        row,
        facts,
        cells: row.cells,
        complete: facts.complete,
        name: P.nameOf(board, k),
      };
    });
    const reported = board.standings.reported.flatMap((paper) =>
      paper.rows.map((row) => ({
        kind: "reported",
        label: row.method,
        paper,
        complete: true,
        name: "",
        cells: Object.fromEntries(
          Object.entries(row.metrics).map(([metric, mean]) => [
            metric,
            { mean, low: null, high: null, differs: P.own(paper.differs, metric) || "" },
          ]),
        ),
      })),
    );
    return [...own, ...reported].map((row, place) => ({
      ...row,
      ...numbers(board, row),
      id: place,
      place,
    }));
  };

  /* What Tabulator sorts by. */
  function numbers(board, { row, facts, cells, label }) {
    const means = board.columns.map((column, k) => [
      `m${k}`,
      P.own(cells, column.metric)?.mean ?? null,
    ]);
    return {
      ...Object.fromEntries(means),
      rank: row?.rank ?? null,
      method: label,
      lost: row ? row.n_expected - row.n_ok : null,
      made: facts?.date || null,
    };
  }
})(PGBENCH);
