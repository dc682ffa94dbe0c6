"use strict";
/* The plots below a board: they show the rows that its table shows. */
(function (P) {
  const { el } = P;

  /* `state`, `kept`: which axes are drawn, as the address says, and where a choice is kept. */
  P.boardPlots = (board, shown, state, kept) => {
    const { headline } = board;
    if (!headline) return { element: el("div"), redraw: () => {} };
    const cells = (metric) =>
      shown().map((row) => ({ label: row.label, kind: row.kind, cell: P.own(row.cells, metric) }));
    const reported = board.standings.reported.length ? ", grey dots are reported by papers" : "";
    const forest = P.figure(
      `The headline with 95% intervals over ${board.nouns[1]}; rings are anchors${reported}.`,
      (width) => P.forest(cells(headline.metric), headline, width),
    );
    const figures = [
      forest,
      ...["cost", "other"].map((what) => against(board, shown, what, { state, kept })),
    ];
    if (board.page.history.length > 1) figures.push(releases(board));
    return {
      element: P.section("Plots", el("div.plots", figures)),
      redraw: () => figures.forEach((figure) => figure.redraw?.()),
    };
  };

  /* The headline against a cost, or against another column; which, the reader chooses. */
  function against(board, shown, what, { state, kept }) {
    const { headline, columns } = board;
    const costs = [...new Set(board.rows.flatMap((row) => Object.keys(row.cost || {})))].sort();
    const others = columns.filter((column) => !column.headline);
    const options =
      what === "cost"
        ? costs.map((name) => [name, name])
        : others.map((column) => [column.metric, column.header]);
    const usual =
      what === "cost"
        ? ["seconds_per_image_p50", "fit_seconds"]
        : ["diversity", "vendi", "lpips-diversity"];
    const first =
      usual.map((name) => options.find(([value]) => value.startsWith(name))?.[0]).find(Boolean) ||
      options[0]?.[0];
    const asked = state()[what];
    let chosen = options.some(([value]) => value === asked) ? asked : first;
    if (!chosen)
      return el(
        "p.soft",
        what === "cost" ? "No row says what it cost." : "There is no other column.",
      );
    const scale = 10 ** headline.exponent;
    const x = (row) => {
      if (what === "cost") return P.own(row.row?.cost, chosen) ?? null;
      const mean = P.own(row.cells, chosen)?.mean ?? null;
      return mean === null
        ? null
        : mean / 10 ** others.find((column) => column.metric === chosen).exponent;
    };
    const draw = (width) =>
      P.scatter(
        shown().map((row) => {
          const mean = P.own(row.cells, headline.metric)?.mean ?? null;
          return {
            label: row.label,
            kind: row.kind,
            x: x(row),
            y: mean === null ? null : mean / scale,
          };
        }),
        { xLabel: chosen, yLabel: headline.header, log: what === "cost" },
        width,
      );
    const figure = P.figure(
      what === "cost"
        ? "Quality against cost; costs differ between machines."
        : "Quality against another column.",
      draw,
    );
    figure.prepend(
      P.choice(what === "cost" ? "Cost" : "Column", options, chosen, (value) => {
        chosen = value;
        kept({ [what]: value === first ? "" : value });
        figure.redraw();
      }),
    );
    return figure;
  }

  function releases(board) {
    const names = board.page.history.map((one) => one.release);
    const ranked = board.page.rows.filter((facts) => facts.kind === "method").slice(0, 10);
    const points = ranked
      .flatMap((facts) => facts.history.map((one) => ({ ...one, label: facts.label })))
      .filter((one) => one.mean !== null);
    return P.figure("The headline over releases of the board.", (width) =>
      P.overReleases(points, names, board.headline, width),
    );
  }
})(PGBENCH);
