"use strict";
/* The boards that are here. */
(function (P) {
  const board = (link) => P.el("li", { class: "board-link" },
    P.el("h2", {}, P.el("a", { href: P.link(["board", link.slug]) }, link.title)),
    P.el("p", { class: "soft" }, link.name),
    P.el("p", { class: "facts" }, link.first ? P.fact("first", P.el("strong", {}, link.first)) : P.fact("first", "nobody"),
      P.fact("rows", String(link.n_rows)), P.fact("runs", String(link.n_runs)), P.fact("data", link.data),
      P.fact("release", link.release), P.fact("date", link.date || "\u2013")));

  P.view("", async () => {
    const index = await P.want("index");
    const intro = P.el("p", { class: "lead" }, "Intervals are over people; methods that share a letter are not told apart.");
    return { title: "Leaderboards", page: [
      P.el("header", { class: "head" }, P.el("h1", { tabindex: "-1" }, "Leaderboards"), intro),
      index.boards.length ? P.el("ul", { class: "board-links" }, index.boards.map(board)) : P.el("p", {}, "There is no board here."),
    ] };
  });
})(PGBENCH);
