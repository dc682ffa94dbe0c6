"use strict";
/* What two rows made for one person, or for one prompt. */
(function (P) {
  const { el } = P;

  /* `lists`: the pictures of the two rows; `people`: the board's. */
  P.pairPictures = (board, pair, user, { lists, people }) => {
    const own = lists.map((list) => P.picturesFor(board, list, user));
    const keys = P.keysOf(own);
    const unread = P.unread(board, pair, lists);
    if (!keys.length)
      return el(
        "div",
        unread.length
          ? unread
          : el("p.soft", `No pictures of this ${board.nouns[0]} are in the site.`),
      );
    const apart = P.apart(own.flat(), people);
    const byKey = own.map((list) => new Map(list.map((one) => [P.keyOf(one), one])));
    const row = (k, name) =>
      el(
        "div.pair-row",
        el("h3", `${name}: ${board.page.rows[pair[k]].label}`),
        el(
          "div.shots",
          keys.map(([key, example]) => {
            const which = apart(example, user);
            const under = which ? el("span.under", which) : null;
            const picture = byKey[k].get(key);
            if (!picture) return el("div.shot-card", el("span.no-thumb", "\u2013"), under);
            const about = [`picture ${picture.index + 1}`, which, P.toldOf(picture)];
            const words = `${name} ${board.page.rows[pair[k]].label}: ${[user, ...about].filter(Boolean).join(", ")}`;
            return el("div.shot-card", P.shot(picture, words), under, P.tasteOf(picture));
          }),
        ),
      );
    return el("div", unread, row(0, "A"), row(1, "B"), P.pictureLegend(own.flat()));
  };
})(PGBENCH);
