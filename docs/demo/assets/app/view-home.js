"use strict";
/* The boards that are here. */
(function (P) {
  const { el } = P;

  const board = (link) =>
    el(
      "li.board-link",
      el("h2", el("a", { href: P.link(["board", link.slug]) }, link.title)),
      el("p.soft", link.name),
      el(
        "p.facts",
        link.first ? P.fact("first", el("strong", link.first)) : P.fact("first", "nobody"),
        P.fact("rows", String(link.n_rows)),
        P.fact("runs", String(link.n_runs)),
        P.fact("data", link.data),
        P.fact("release", link.release),
        P.fact("date", link.date || "\u2013"),
      ),
    );

  P.view("", async () => {
    const index = await P.want("index");
    const intro = el(
      "p.lead",
      "Intervals are over people; methods that share a letter are not told apart.",
    );
    return {
      title: "Leaderboards",
      page: [
        el("header.head", el("h1", { tabindex: "-1" }, "Leaderboards"), intro),
        index.boards.length
          ? el("ul.board-links", index.boards.map(board))
          : el("p", "There is no board here."),
      ],
    };
  });
})(PGBENCH);
