"use strict";
/* The plots of the site. Colours are those of site.css; a ring is an anchor, grey is reported. */
(function (P) {
  const { el } = P;

  const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}\u2026` : text);
  const tone = (row) => (row.kind === "method" ? "var(--accent)" : "var(--anchor)");

  /* Of texts that would lie on one another the first is kept. */
  function thinned(drawn, name, size) {
    const kept = [];
    for (const text of drawn.querySelectorAll(`g[aria-label="${name}"] text`)) {
      const [x, y] = text
        .getAttribute("transform")
        .match(/-?[\d.]+/g)
        .map(Number);
      const half = text.textContent.length * size * 0.29;
      const middle =
        x + (text.closest("[text-anchor]").getAttribute("text-anchor") === "end" ? -half : half);
      if (
        kept.some(
          (one) => Math.abs(one.middle - middle) < one.half + half && Math.abs(one.y - y) < size,
        )
      )
        text.remove();
      else kept.push({ middle, y, half });
    }
    return drawn;
  }

  const MOST = 60;

  /* `rows`: label, kind, cell; the first of them, as many as one can look at. */
  P.forest = (rows, column, width) => {
    const scale = 10 ** column.exponent;
    const known = rows.filter((row) => row.cell && row.cell.mean !== null);
    const cutOff = known.length > MOST ? `, the first ${MOST} of ${known.length} rows` : "";
    const shown = known.slice(0, MOST).map((row, k) => ({
      key: k,
      label: row.label,
      mean: row.cell.mean / scale,
      low: row.cell.low === null ? null : row.cell.low / scale,
      high: row.cell.high === null ? null : row.cell.high / scale,
      tone: tone(row),
      kind: row.kind,
    }));
    if (!shown.length) return el("p.soft", "No row has a value.");
    const left = Math.min(190, Math.max(80, width * 0.32));
    const title = (d) =>
      `${d.label}\n${P.short(d.mean, 6)}\n[${P.short(d.low, 6)}, ${P.short(d.high, 6)}]`;
    return P.plot(`${column.metric} of ${P.plural(shown.length, "row")} with 95% intervals`, {
      width,
      marginLeft: left,
      marginRight: 16,
      marginBottom: 38,
      height: 52 + 21 * shown.length,
      x: { label: `${column.header} (${P.better(column)}${cutOff})`, grid: true, nice: true },
      y: {
        label: null,
        tickSize: 0,
        domain: shown.map((d) => d.key),
        tickFormat: (k) => cut(shown[k].label, Math.floor(left / 6.6)),
      },
      marks: [
        Plot.ruleY(
          shown.filter((d) => d.low !== null),
          { y: "key", x1: "low", x2: "high", stroke: "tone", strokeWidth: 2 },
        ),
        Plot.dot(shown, {
          y: "key",
          x: "mean",
          r: 4,
          stroke: "tone",
          strokeWidth: 1.5,
          fill: (d) => (d.kind === "anchor" ? "var(--paper)" : d.tone),
        }),
        Plot.tip(shown, Plot.pointerY({ y: "key", x: "mean", title })),
      ],
    });
  };

  /* Written from a dot towards the middle, so that none leaves the drawing. */
  const names = (shown, textAnchor) =>
    Plot.text(shown, {
      x: "x",
      y: "y",
      text: (d) => cut(d.label, 22),
      textAnchor,
      dy: -11,
      dx: textAnchor === "end" ? 5 : -5,
      fontSize: 11,
      ariaLabel: "names",
      fill: "var(--soft)",
    });

  /* `points`: label, kind, x, y; names are written where they are few. */
  P.scatter = (points, { xLabel, yLabel, log }, width) => {
    const shown = points
      .filter((d) => d.x !== null && d.y !== null && (!log || d.x > 0))
      .map((d) => ({ ...d, tone: tone(d) }));
    if (!shown.length) return el("p.soft", "No row has both numbers.");
    const gone = points.length - shown.length;
    const verb = gone === 1 ? "is" : "are";
    const left = `${P.plural(gone, "row")} with ${log ? "0 or " : ""}no number ${verb} not drawn.`;
    const title = (d) => `${d.label}\n${xLabel}: ${P.short(d.x, 4)}\n${yLabel}: ${P.short(d.y, 4)}`;
    const [least, most] = [Math.min(...shown.map((d) => d.x)), Math.max(...shown.map((d) => d.x))];
    const middle = log ? Math.sqrt(least * most) : (least + most) / 2;
    const drawn = thinned(
      P.plot(`${yLabel} against ${xLabel}, ${P.plural(shown.length, "row")}`, {
        width,
        height: Math.min(380, Math.max(260, width * 0.62)),
        marginLeft: 52,
        marginRight: 24,
        marginBottom: 40,
        inset: 14,
        x: {
          label: xLabel,
          grid: !log,
          type: log && least < most ? "log" : "linear",
          ticks: 5,
          tickFormat: log ? "~g" : undefined,
        },
        y: { label: yLabel, grid: true },
        marks: [
          Plot.dot(shown, {
            x: "x",
            y: "y",
            r: 4.5,
            stroke: "tone",
            strokeWidth: 1.5,
            fill: (d) => (d.kind === "anchor" ? "var(--paper)" : d.tone),
          }),
          names(
            shown.filter((d) => d.x <= middle),
            "start",
          ),
          names(
            shown.filter((d) => d.x > middle),
            "end",
          ),
          Plot.tip(shown, Plot.pointer({ x: "x", y: "y", title })),
        ],
      }),
      "names",
      11,
    );
    return gone ? el("div", drawn, el("p.soft.left-out", left)) : drawn;
  };

  /* `points`: label, release, mean, low, high. */
  P.overReleases = (points, releases, column, width) => {
    const scale = 10 ** column.exponent;
    const own = points.map((d) => ({
      ...d,
      mean: d.mean / scale,
      low: d.low === null ? null : d.low / scale,
      high: d.high === null ? null : d.high / scale,
    }));
    const last = releases.at(-1);
    const title = (d) =>
      `${d.label}\n${d.release}${d.date ? `, ${d.date}` : ""}\n${P.short(d.mean, 4)} [${P.short(d.low, 4)}, ${P.short(d.high, 4)}]\nrank ${d.rank ?? "\u2013"}`;
    return P.plot(`${column.metric} over ${P.plural(releases.length, "release")}`, {
      width,
      height: 320,
      marginLeft: 52,
      marginRight: Math.min(150, width * 0.3),
      marginBottom: 36,
      x: { type: "point", domain: releases, label: "release", padding: 0.3 },
      y: { label: column.header, grid: true, nice: true },
      color: { type: "categorical" },
      marks: [
        Plot.ruleX(
          own.filter((d) => d.low !== null),
          {
            x: "release",
            y1: "low",
            y2: "high",
            stroke: "label",
            strokeOpacity: 0.35,
            strokeWidth: 2,
          },
        ),
        Plot.line(own, { x: "release", y: "mean", z: "label", stroke: "label", strokeWidth: 1.8 }),
        Plot.dot(own, { x: "release", y: "mean", fill: "label", r: 3.5 }),
        Plot.text(
          own.filter((d) => d.release === last),
          {
            x: "release",
            y: "mean",
            text: (d) => cut(d.label, 20),
            dx: 9,
            textAnchor: "start",
            fill: "var(--ink)",
          },
        ),
        Plot.tip(own, Plot.pointer({ x: "release", y: "mean", title })),
      ],
    });
  };

  /* `points`: user, value, chosen; from the smallest difference to the largest. */
  P.differences = (points, column, { nouns, names, choose, width }) => {
    const tones = ["var(--loss)", "var(--soft)", "var(--win)"];
    if (column.direction === "lower") tones.reverse();
    const sorted = [...points].sort((a, b) => a.value - b.value);
    const shown = sorted.map((d, k) => ({
      ...d,
      place: k,
      tone: tones[Math.sign(d.value) + 1],
    }));
    const title = (d) => `${d.user}\n${P.short(d.value, 4)}`;
    const drawn = P.plot(
      `difference in ${column.metric} by ${nouns[0]}, ${names[0]} minus ${names[1]}`,
      {
        width,
        height: 300,
        marginLeft: 52,
        marginBottom: 32,
        inset: 8,
        x: { label: `${P.plural(shown.length, ...nouns)}, by difference`, ticks: [] },
        y: {
          label: `${column.metric}: A minus B`,
          grid: true,
          nice: true,
          domain: shown.every((d) => d.value === 0) ? [-1, 1] : undefined,
        },
        marks: [
          Plot.ruleY([0], { stroke: "var(--soft)" }),
          Plot.ruleX(shown, { x: "place", y1: 0, y2: "value", stroke: "tone", strokeOpacity: 0.4 }),
          Plot.dot(shown, {
            x: "place",
            y: "value",
            fill: "tone",
            r: (d) => (d.chosen ? 7 : 4),
            stroke: (d) => (d.chosen ? "var(--ink)" : "none"),
            strokeWidth: 1.5,
          }),
          Plot.tip(shown, Plot.pointer({ x: "place", y: "value", title })),
        ],
      },
    );
    drawn.addEventListener("click", () => drawn.value && choose(drawn.value.user));
    return drawn;
  };
})(PGBENCH);
