"use strict";
/* What is said of a board above and below its table. */
(function (P) {
  const { el } = P;

  P.fragility = (board) => {
    const { fragile, standings } = board.page;
    const several = board.nouns[1];
    if (!standings.methods.some((row) => row.rank === 1) || !fragile.of) return null;
    if (fragile.n_users === null)
      return el("p.fragile", `No removal of ${several} changes rank 1.`);
    return el(
      "p.fragile",
      "Without ",
      el("strong", `${fragile.n_users} particular ${board.nouns[fragile.n_users === 1 ? 0 : 1]}`),
      ` of ${fragile.of}, `,
      fragile.new_first
        ? [el("strong", fragile.new_first), " would be first."]
        : "another method would be first.",
    );
  };

  /* What the marks in the table's cells mean. */
  P.legend = (board, rows) => {
    const has = (test) => rows.some((row) => Object.values(row.cells).some(test));
    const row = board.rows.find((one) => one.n_expected) || null;
    const n = board.standings.n_units;
    return P.notes(
      [
        "Range, ties: the dot is the rank, the bar the ranks that the data allow; methods that share a letter are not told apart.",
        row
          ? `${n} \u00b7 ${row.n_expected}: ${P.units(board, n)} and ${row.n_expected} pictures; where some are missing, those that came of those asked for.`
          : "",
        `Below a number: its 95% interval over ${board.nouns[1]}, on one scale for the column. A click on a number shows it in full.`,
        has((cell) => cell.best)
          ? "A number in colour: no ranked method is significantly better in its column."
          : "",
        has((cell) => cell.own_judge) ? "\u2020: the method used this judge." : "",
        has((cell) => cell.differs) ? "\u2260: not comparable." : "",
      ].filter(Boolean),
      "legend",
    );
  };

  P.boardFacts = (board) => {
    const { link, page, standings, headline } = board;
    const ranked = headline
      ? [P.fact("ranked by", `${headline.metric} (${P.better(headline)})`)]
      : [];
    return el(
      "p.facts",
      ...ranked,
      P.fact(board.nouns[1], String(standings.n_units)),
      P.fact("data", link.data),
      P.fact("release", page.release),
      P.fact("date", page.date || "\u2013"),
    );
  };

  const FILES = { csv: "CSV", json: "JSON", tex: "LaTeX" };

  P.downloads = ({ page, nouns }) => {
    const named = { ...FILES, people: `by ${nouns[0]}, all columns` };
    const links = Object.entries(page.downloads).map(([kind, address]) =>
      el(
        "a.download",
        { href: address, download: address.split("/").at(-1) },
        P.own(named, kind) || kind,
      ),
    );
    const figures = Object.entries(page.figures).map(([name, address]) =>
      el("a.download", { href: address, target: "_blank", rel: "noopener" }, `figure: ${name}`),
    );
    return el("p.downloads", el("span.soft", "Download this table: "), ...links, ...figures);
  };

  function releaseTable(board) {
    const { history } = board.page;
    if (history.length < 2) return null;
    return P.section(
      "Releases",
      P.table(
        "Releases of this board, oldest first",
        ["release", "date", "first"],
        history.map((one) => [
          one.slug && one.slug !== board.slug
            ? el("a", { href: P.link(["board", one.slug]) }, one.release)
            : one.release,
          one.date,
          one.first,
        ]),
      ),
    );
  }

  P.boardNotes = (board) => {
    const { standings, page } = board;
    const missing = standings.missing.length
      ? [`Baselines and anchors without a run here: ${standings.missing.join(", ")}.`]
      : [];
    const papers = standings.reported.map(
      (paper) => `Reported in ${paper.title}: ${paper.source}; ${paper.caveat} (${paper.world}).`,
    );
    const notes = [...standings.notes, ...page.notes, ...papers, ...missing];
    return [
      notes.length ? P.section("Notes", P.notes(notes)) : null,
      standings.refused.length
        ? P.section(
            "Refused runs",
            P.table(
              "Runs that do not stand in the table",
              ["run", "method", "reason"],
              standings.refused.map((run) => [run.run, run.label, run.reason]),
            ),
          )
        : null,
      P.section(
        "What the columns say",
        page.audited === false ? el("p.soft", "This site was built without a metric audit.") : null,
        el(
          "div.cards",
          board.columns.map((column) =>
            el(
              "details.about-column",
              el("summary", column.header, el("span.soft", ` ${P.better(column)}`)),
              P.card(board, column),
            ),
          ),
        ),
      ),
      releaseTable(board),
      P.section(
        "What all rows share",
        P.table(
          "Protocol",
          ["name", "value"],
          Object.entries(standings.protocol).map(([name, value]) => [
            name,
            el("code", String(value)),
          ]),
        ),
      ),
    ];
  };
})(PGBENCH);
