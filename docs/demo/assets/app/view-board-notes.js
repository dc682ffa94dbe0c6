"use strict";
/* What is said of a board above and below its table. */
(function (P) {
  const { el } = P;

  P.fragility = ({ fragile, standings }) => {
    const first = standings.methods.find((row) => row.rank === 1);
    if (!first || !fragile.of) return null;
    if (fragile.n_users === null) {
      return el("p.fragile", "No removal of people changes rank 1.");
    }
    return el(
      "p.fragile",
      "Rank 1 changes if ",
      el("strong", `${fragile.n_users} of ${fragile.of} people`),
      " are removed",
      fragile.new_first ? [": then ", el("strong", fragile.new_first), " is first."] : ".",
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
      P.fact("people", String(standings.n_units)),
      P.fact("data", link.data),
      P.fact("release", page.release),
      P.fact("date", page.date || "\u2013"),
    );
  };

  const FILES = { csv: "CSV", json: "JSON", tex: "LaTeX" };

  P.downloads = ({ page }) => {
    const links = Object.entries(page.downloads).map(([kind, address]) =>
      el("a.download", { href: address, download: address.split("/").at(-1) }, FILES[kind] || kind),
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
    const marks = [
      "A number in colour: no ranked method is significantly better in its column. \u2020: the method used this judge. \u2260: not comparable.",
    ];
    return [
      P.section(
        "Notes",
        P.notes([...marks, ...standings.notes, ...page.notes, ...papers, ...missing]),
      ),
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
        el(
          "div.cards",
          board.columns.map((column) =>
            el(
              "details.about-column",
              el("summary", column.header, el("span.soft", ` ${P.better(column)}`)),
              P.card(column),
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
