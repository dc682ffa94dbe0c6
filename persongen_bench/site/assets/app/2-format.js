"use strict";
/* Numbers as they are printed and in full, and files made of tables. */
(function (P) {
  const { el } = P;

  const NOTHING = "\u2013";

  const missing = (value) => value === null || value === undefined;

  const signed = (text) => text.replace("-", "\u2212");

  const grouped = (text) => text.replace(/\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));

  /* As it is printed: in units of 10**exponent, rounded to the column's decimals. */
  P.printed = (value, column) => Number((value / 10 ** column.exponent).toFixed(column.decimals));

  /* What rounds to zero and is none stands as a bound. */
  P.number = (value, column) => {
    if (missing(value)) return NOTHING;
    const rounded = P.printed(value, column);
    if (rounded === 0 && value !== 0) {
      const least = (10 ** -column.decimals).toFixed(column.decimals);
      return value > 0 ? `<${least}` : `>\u2212${least}`;
    }
    return signed(grouped((rounded || 0).toFixed(column.decimals)));
  };

  /* With so many digits, but never rounded further than to the unit. */
  P.short = (value, digits = 3) => {
    if (missing(value)) return NOTHING;
    const large = Math.abs(value) >= 10 ** (digits - 1);
    const text = String(large ? Math.round(value) : Number(value.toPrecision(digits)));
    return signed(large && !text.includes("e") ? grouped(text) : text);
  };

  /* `board`: whose people or prompts the number is over. */
  P.inFull = (cell, board) => {
    if (missing(cell.mean)) return "no value";
    const interval = missing(cell.low) ? "" : ` [${cell.low}, ${cell.high}]`;
    return `${cell.mean}${interval}${cell.n_units ? `, ${P.units(board, cell.n_units)}` : ""}`;
  };

  P.plural = (count, one, several) => `${count} ${count === 1 ? one : several || one + "s"}`;

  /* A value of an object that somebody else's words are the keys of. */
  P.own = (object, key) => (object && Object.hasOwn(object, key) ? object[key] : undefined);

  /* What some spreadsheet computes, behind blanks and quotes and in full width too. */
  const FORMULA = /^[\s'"`]*[=+\-@|%\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212]/;

  /* A text that a spreadsheet would read as a formula gets a leading apostrophe. */
  function field(value) {
    if (missing(value)) return "";
    if (typeof value === "number") return String(value);
    const text = FORMULA.test(value) ? `'${value}` : String(value);
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
