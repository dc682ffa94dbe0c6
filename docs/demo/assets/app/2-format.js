"use strict";
/* Numbers as they are printed and in full, and files made of tables. */
(function (P) {
  const { el } = P;

  const NOTHING = "\u2013";

  const missing = (value) => value === null || value === undefined;

  /* With the column's decimals, in units of 10**exponent. */
  P.number = (value, column) => {
    if (missing(value)) return NOTHING;
    const text = (value / 10 ** column.exponent).toFixed(column.decimals);
    return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
  };

  P.short = (value, digits = 3) =>
    missing(value) ? NOTHING : Number(value.toPrecision(digits)).toString().replace("-", "\u2212");

  P.inFull = (cell) => {
    if (missing(cell.mean)) return "no value";
    const interval = missing(cell.low) ? "" : ` [${cell.low}, ${cell.high}]`;
    return `${cell.mean}${interval}${cell.n_units ? `, ${cell.n_units} people` : ""}`;
  };

  P.plural = (count, one, several) => `${count} ${count === 1 ? one : several || one + "s"}`;

  /* A text that a spreadsheet would read as a formula gets a leading apostrophe. */
  function field(value) {
    if (missing(value)) return "";
    if (typeof value === "number") return String(value);
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  P.csv = (header, rows) =>
    [header, ...rows].map((row) => row.map(field).join(",")).join("\n") + "\n";

  function saved(name, type, content) {
    const address = URL.createObjectURL(new Blob([content], { type }));
    el("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  /* Two buttons that save what `table` gives: {header, rows}. */
  P.saves = (name, table) => {
    const asJson = ({ header, rows }) =>
      JSON.stringify(
        rows.map((row) => Object.fromEntries(header.map((h, k) => [h, row[k]]))),
        null,
        1,
      );
    const asCsv = ({ header, rows }) => P.csv(header, rows);
    const button = (text, ending, type, write) =>
      el(
        "button.quiet",
        { type: "button", onclick: () => saved(`${name}.${ending}`, type, write(table())) },
        text,
      );
    return el(
      "span.saves",
      button("CSV", "csv", "text/csv", asCsv),
      button("JSON", "json", "application/json", asJson),
    );
  };
})(PGBENCH);
