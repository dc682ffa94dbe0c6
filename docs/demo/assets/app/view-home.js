"use strict";
/* The boards that are here. */
(function (P) {
  const { el } = P;

  /* How many others share a letter with the first; the board itself says it. */
  async function tied(link, fact) {
    const { standings } = await P.want(`board/${link.slug}`).catch(() => ({}));
    const [first, ...others] = standings?.methods || [];
    const n = others.filter((row) =>
      [...row.group].some((one) => first.group.includes(one)),
    ).length;
    if (n) fact.append(` (tied with ${n})`);
  }

  function first(link) {
    if (!link.first) return P.fact("first:", "nobody");
    const fact = P.fact("first:", el("strong", link.first));
    P.whenNear(fact, () => tied(link, fact));
    return fact;
  }

  const board = (link) =>
    el(
      "li.board-link",
      el("h2", el("a", { href: P.link(["board", link.slug]) }, link.title)),
      el("p.soft", link.name),
      el(
        "p.facts",
        first(link),
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
      "Intervals are over people, or over prompts where a board says so; methods that share a letter are not told apart.",
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
