"use strict";
/* Methods beside one another: in a line stands what all of them made for one person and index. */
(function (P) {
  const { el } = P;

  const USUAL = 6;
  const STEP = 12;
  const NONE = "~"; // in an address: no row at all

  function chosenRows(board, asked) {
    const given = asked
      .getAll("row")
      .map((name) => P.rowOf(board, name))
      .filter((k) => k >= 0);
    if (given.length || asked.get("row") === NONE) return [...new Set(given)];
    return board.rows.map((_, k) => k).slice(0, USUAL);
  }

  function controls(board, rows, user, people, go) {
    const boxes = board.rows.map((_, k) =>
      el(
        "label.tick",
        el("input", {
          type: "checkbox",
          id: `row-${k}`,
          checked: rows.includes(k),
          onchange: (event) =>
            go({
              rows: event.target.checked
                ? [...rows, k].sort((a, b) => a - b)
                : rows.filter((one) => one !== k),
            }),
        }),
        " ",
        board.page.rows[k].label,
      ),
    );
    return el(
      "div.toolbar",
      P.choice("Person", [["", "everybody"], ...people.map((one) => [one, one])], user, (one) =>
        go({ user: one }),
      ),
      el(
        "details.menu",
        { id: "methods" },
        el("summary", `Methods (${rows.length})`),
        el("div.menu-body", boxes),
      ),
    );
  }

  /* Lines of the gallery: a person and a key, with one picture of each row or none. */
  function linesOf(users, lists, people) {
    return users.flatMap((user) => {
      const own = lists.map((list) => P.own(list?.users, user) || []);
      const apart = P.apart(own.flat(), people);
      const byKey = own.map((pictures) => new Map(pictures.map((one) => [P.keyOf(one), one])));
      return P.keysOf(own).map(([key, example], k) => ({
        user,
        first: k === 0,
        example,
        which: apart(example, user),
        pictures: byKey.map((one) => one.get(key)),
      }));
    });
  }

  function line(board, rows, { user, first, example, which, pictures }) {
    const prompt = board.byPrompt ? example.unit : "";
    const about = [`picture ${example.index + 1}`, prompt, which];
    const name = [user, ...about].filter(Boolean).join(", ");
    return el(
      "tr",
      { class: first ? "first" : "" },
      el(
        "th",
        { scope: "row" },
        first
          ? el("a", { href: P.link(["board", board.slug, "user", user]) }, user)
          : el("span.unseen", user),
        about.filter(Boolean).map((text) => el("span.under", text)),
      ),
      pictures.map((picture, k) => {
        const label = board.page.rows[rows[k]].label;
        if (!picture) return el("td", el("span.no-thumb", { title: "no picture" }, "\u2013"));
        const told = P.toldOf(picture);
        return el(
          "td",
          P.shot(picture, `${label}: ${name}${told ? `, ${told}` : ""}`),
          P.tasteOf(picture),
        );
      }),
    );
  }

  /* Some lines at once, more when their end comes near. */
  function growing(body, lines, draw) {
    let n = 0;
    const end = el("p.soft");
    const more = () => {
      body.append(...lines.slice(n, n + STEP).map(draw));
      n = Math.min(lines.length, n + STEP);
      end.textContent =
        n < lines.length ? "more below" : `${P.plural(lines.length, "line")}, all shown`;
      if (n < lines.length) P.whenNear(end, more);
    };
    return { end, more };
  }

  P.view("board/:slug/gallery", async ({ slug }, asked) => {
    const board = await P.board(slug);
    const rows = chosenRows(board, asked);
    const [lists, known] = await Promise.all([P.pictureLists(board, rows), P.peopleOf(board)]);
    const people = [...new Set(lists.flatMap((list) => Object.keys(list?.users || {})))].sort();
    const wanted = asked.get("user") || "";
    const user = people.includes(wanted) ? wanted : "";
    const names = asked.getAll("row").filter((name) => name !== NONE);
    const gone = [
      ...P.gone(
        "row",
        names.filter((name) => P.rowOf(board, name) < 0),
      ),
      ...P.gone("person", wanted && rows.length && !user ? [wanted] : []),
      ...P.unread(board, rows, lists),
    ];
    const go = (part) => {
      const now = { user: user || wanted, rows, ...part };
      P.go(["board", slug, "gallery"], {
        user: now.user,
        row: now.rows.length ? now.rows.map((k) => P.nameOf(board, k)) : NONE,
      });
    };
    const lines = linesOf(user ? [user] : people, lists, known.people);
    const all = lists.flatMap((list) => Object.values(list?.users || {}).flat());
    const body = el("tbody");
    const { end, more } = growing(body, lines, (one) => line(board, rows, one));
    const table = el(
      "div.scroll.wall",
      { tabindex: "0", role: "region", "aria-label": "Pictures side by side" },
      el(
        "table.gallery",
        el(
          "caption",
          el(
            "span",
            "In each line: what the methods made for the same person, request, seed and index",
          ),
        ),
        el(
          "thead",
          el(
            "tr",
            el("th", { scope: "col" }, "person"),
            rows.map((k) =>
              el(
                "th",
                { scope: "col" },
                board.page.rows[k].label,
                " ",
                board.page.rows[k].kind === "anchor" ? P.badge("anchor", "never ranked") : null,
              ),
            ),
          ),
        ),
        body,
      ),
      end,
    );
    return {
      title: `Gallery, ${board.standings.board.title}`,
      page: [
        P.heading(board, "gallery", "Side by side"),
        controls(board, rows, user, people, go),
        gone,
        lines.length
          ? [P.pictureLegend(all), table]
          : el("p", rows.length ? "These rows have no pictures in the site." : "No row is chosen."),
      ],
      ready: () => {
        more();
        P.lightbox(table);
      },
    };
  });
})(PGBENCH);
