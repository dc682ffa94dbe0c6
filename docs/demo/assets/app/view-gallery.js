"use strict";
/* Methods beside one another: in a line stands what all of them made for one person and index. */
(function (P) {
  const { el } = P;

  const USUAL = 6;
  const STEP = 12;

  function chosenRows(board, asked) {
    const given = asked
      .getAll("row")
      .map((name) => P.rowOf(board, name))
      .filter((k) => k >= 0);
    return given.length ? [...new Set(given)] : board.rows.map((_, k) => k).slice(0, USUAL);
  }

  function controls(board, rows, user, people, go) {
    const boxes = board.rows.map((_, k) =>
      el(
        "label.tick",
        el("input", {
          type: "checkbox",
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
      el("details.menu", el("summary", `Methods (${rows.length})`), el("div.menu-body", boxes)),
    );
  }

  /* Lines of the gallery: a person and a key, with one picture of each row or none. */
  function linesOf(users, lists) {
    return users.flatMap((user) => {
      const own = lists.map((pictures) =>
        Object.hasOwn(pictures.users, user) ? pictures.users[user] : [],
      );
      const byKey = own.map((pictures) => new Map(pictures.map((one) => [P.keyOf(one), one])));
      return P.keysOf(own).map(([key, example], k) => ({
        user,
        first: k === 0,
        example,
        pictures: byKey.map((one) => one.get(key)),
      }));
    });
  }

  function line(board, rows, { user, first, example, pictures }) {
    const name = `${user}, picture ${example.index + 1}`;
    return el(
      "tr",
      { class: first ? "first" : "" },
      el(
        "th",
        { scope: "row" },
        first
          ? el("a", { href: P.link(["board", board.slug, "user", user]) }, user)
          : el("span.unseen", user),
        el("span.under", `#${example.index + 1}`, example.seed ? ` seed ${example.seed}` : ""),
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
    const lists = await Promise.all(rows.map((k) => P.want(`pictures/${slug}/${k}`)));
    const people = [...new Set(lists.flatMap((pictures) => Object.keys(pictures.users)))].sort();
    const user = people.includes(asked.get("user")) ? asked.get("user") : "";
    const go = (part) => {
      const now = { user, rows, ...part };
      P.go(["board", slug, "gallery"], {
        user: now.user,
        row: now.rows.map((k) => P.nameOf(board, k)),
      });
    };
    const lines = linesOf(user ? [user] : people, lists);
    const body = el("tbody");
    const { end, more } = growing(body, lines, (one) => line(board, rows, one));
    const table = el(
      "div.scroll.wall",
      { tabindex: "0", role: "region", "aria-label": "Pictures side by side" },
      el(
        "table.gallery",
        el(
          "caption",
          "In each line: what the methods made for the same person, request, seed and index",
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
        lines.length ? table : el("p", "These rows have no pictures in the site."),
      ],
      ready: () => {
        more();
        P.lightbox(table);
      },
    };
  });
})(PGBENCH);
