"use strict";
/* Small drawings that stand in rows, each with its words for who does not see them. */
(function (P) {
  const { el } = P;

  const drawn = (width, height, words, ...parts) =>
    P.svg(
      "svg",
      { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words },
      P.svg("title", {}, words),
      ...parts,
    );

  const scaled =
    (low, high, width, edge = 3) =>
    (value) =>
      high > low ? edge + ((value - low) / (high - low)) * (width - 2 * edge) : width / 2;

  /* Mean and interval on the scale that all rows of the column share; what lies outside it, as a
     reported number may, is an arrow at its end. */
  P.interval = (cell, [low, high]) => {
    const width = 84;
    const at = scaled(low, high, width);
    const line = (from, to, name) => P.svg("line", { x1: from, x2: to, y1: 4, y2: 4, class: name });
    const known = cell.low !== null && cell.low !== undefined;
    const arrow =
      cell.mean < low ? "M5 1 L0 4 L5 7z" : `M${width - 5} 1 L${width} 4 L${width - 5} 7z`;
    return P.svg(
      "svg",
      { width, height: 8, viewBox: `0 0 ${width} 8`, class: "interval", "aria-hidden": "true" },
      line(0, width, "axis"),
      known ? line(at(cell.low), at(cell.high), "range") : null,
      cell.mean < low || cell.mean > high
        ? P.svg("path", { d: arrow, class: "mean" })
        : P.svg("circle", { cx: at(cell.mean), cy: 4, r: 2.6, class: "mean" }),
    );
  };

  /* Places that the data allow, among `places`. */
  P.rankRange = (row, places) => {
    const width = 92;
    const at = scaled(1, Math.max(places, 2), width, 5);
    const words = `rank ${row.rank}, the data allow ${row.rank_low} to ${row.rank_high} of ${places}`;
    const ticks = places > 12 ? [1, places] : Array.from({ length: places }, (_, k) => k + 1);
    return drawn(
      width,
      18,
      words,
      ...ticks.map((k) => P.svg("line", { x1: at(k), x2: at(k), y1: 6, y2: 12, class: "axis" })),
      P.svg("line", { x1: at(row.rank_low), x2: at(row.rank_high), y1: 9, y2: 9, class: "places" }),
      P.svg("circle", { cx: at(row.rank), cy: 9, r: 3.4, class: "mean" }),
    );
  };

  /* Tie letters, each in its own place: what stands below one another is not told apart. */
  P.ties = (group, letters) => {
    const words = group ? `tie group ${[...group].join(", ")}` : "";
    return el(
      "span.ties",
      { title: words || null, role: "img", "aria-label": words || "no tie group" },
      letters.map((letter) =>
        el(
          "span",
          { class: group.includes(letter) ? "tie" : "tie off", "aria-hidden": "true" },
          group.includes(letter) ? letter : "\u00b7",
        ),
      ),
    );
  };

  /* Pictures that came and that failed, for `n` people or prompts of the board. */
  P.delivered = (board, ok, expected, n) => {
    const width = 84;
    const share = expected ? ok / expected : 0;
    const lost = expected - ok;
    const words = `${P.units(board, n)}, ${ok} of ${expected} pictures${lost ? `, ${lost} missing` : ""}`;
    const bar = drawn(
      width,
      8,
      words,
      P.svg("rect", { x: 0, y: 2.5, width, height: 3, class: lost ? "lost" : "axis-fill" }),
      P.svg("rect", {
        x: 0,
        y: 2.5,
        width: Math.max(0, width * share - (lost ? 2 : 0)),
        height: 3,
        class: "came",
      }),
    );
    return el(
      "span.stack",
      { title: words },
      el(
        "span",
        { class: lost ? "figure warn" : "figure" },
        lost ? `${n} \u00b7 ${ok}/${expected}` : `${n} \u00b7 ${ok}`,
      ),
      bar,
    );
  };

  /* Wins, ties and losses as one bar. */
  P.balance = (wins, ties, losses) => {
    const width = 320;
    const all = wins + ties + losses || 1;
    let x = 0;
    const part = (count, name) => {
      const w = (count / all) * width;
      x += w;
      return P.svg("rect", { x: x - w, y: 0, width: Math.max(0, w - 1), height: 12, class: name });
    };
    return drawn(
      width,
      12,
      `${wins} wins, ${ties} ties, ${losses} losses`,
      part(wins, "win"),
      part(ties, "tie-part"),
      part(losses, "loss"),
    );
  };

  P.badge = (text, title, kind = "") => el("span", { class: `badge ${kind}`, title }, text);
})(PGBENCH);
