"use strict";
/* The people of a board, and one of them: what they like, what each method made for them. */
(function (P) {
  const { el } = P;

  /* Whose pictures are in the site. */
  const isSeen = (person) => person.requests.length + person.history.length > 0;

  function personCard(board, person) {
    const first = person.history.at(-1) || person.references.find(Boolean);
    return el(
      "li",
      { "data-user": person.user.toLowerCase() },
      el(
        "a.person",
        { href: P.link(["board", board.slug, "user", person.user]) },
        first ? P.thumb(first, "") : el("span.no-thumb", { "aria-hidden": "true" }),
        el(
          "span.stack",
          el("span.label", person.user),
          el(
            "span.under",
            [
              person.n_likes ? P.plural(person.n_likes, "like") : "",
              isSeen(person) ? "" : "no pictures here",
            ]
              .filter(Boolean)
              .join(", "),
          ),
        ),
      ),
    );
  }

  P.view("board/:slug/people", async ({ slug }) => {
    const board = await P.board(slug);
    const { people, sampled, note } = await P.want(`people/${slug}`);
    const list = el(
      "ul.people",
      [...people].sort((a, b) => isSeen(b) - isSeen(a)).map((person) => personCard(board, person)),
    );
    const filter = (event) => {
      const q = event.target.value.trim().toLowerCase();
      for (const item of list.children) item.hidden = !item.dataset.user.includes(q);
      P.say(`${[...list.children].filter((item) => !item.hidden).length} people`);
    };
    return {
      title: `People, ${board.standings.board.title}`,
      page: [
        P.heading(board, "people", P.plural(people.length, "person", "people")),
        P.notes(
          [
            sampled < people.length ? `Pictures of ${sampled} of them are in this site.` : "",
            note,
          ].filter(Boolean),
        ),
        el(
          "div.toolbar",
          el("input", {
            type: "search",
            placeholder: "Search people",
            "aria-label": "Search people",
            oninput: filter,
          }),
        ),
        list,
      ],
    };
  });

  function strip(title, addresses, words) {
    if (!addresses.length) return null;
    return P.section(
      title,
      el(
        "div.strip",
        { tabindex: "0", role: "group", "aria-label": title },
        addresses.map((address, k) => P.thumb(address, `${words} ${k + 1} of ${addresses.length}`)),
      ),
    );
  }

  function references(person) {
    const shown = person.requests
      .map((request, k) => ({
        request,
        picture: person.references[k],
        caption: person.captions[k],
      }))
      .filter((one) => one.picture || one.caption);
    if (!shown.length) return null;
    return P.section(
      shown.some((one) => one.picture) ? "Asked to follow" : "Asked for",
      el(
        "div.asked",
        shown.map((one) =>
          el(
            "figure",
            one.picture ? P.thumb(one.picture, "reference") : null,
            el("figcaption", one.caption || one.request),
          ),
        ),
      ),
    );
  }

  function shots(pictures, label, person) {
    const apart = P.apart(pictures, [person]);
    return el(
      "div.shots",
      pictures.map((picture) => {
        const which = apart(picture, person.user);
        const about = [`picture ${picture.index + 1}`, which, P.toldOf(picture)];
        const words = [label, ...about].filter(Boolean).join(", ");
        return el(
          "div.shot-card",
          P.shot(picture, words),
          which ? el("span.under", which) : null,
          P.tasteOf(picture),
          picture.copy_of ? P.badge("copy", P.toldOf(picture), "warn") : null,
          P.nearest(picture),
        );
      }),
    );
  }

  /* A row's pictures for one person; read when they come near the window. */
  function methodPart(board, k, person, value, told) {
    const facts = board.page.rows[k];
    const rank = board.rows[k].rank;
    const place = el("div.made-for");
    const about = [
      rank ? P.fact("rank", String(rank)) : P.badge("anchor", "A reference line, never ranked"),
      value === null
        ? null
        : P.fact(
            board.headline.metric,
            el("span", { title: String(value) }, P.number(value, board.headline)),
          ),
    ];
    const part = el(
      "section.by-method",
      el("h3", facts.label, " ", el("span.facts", about)),
      place,
    );
    P.whenNear(part, async () => {
      const lists = await P.pictureLists(board, [k]);
      const pictures = P.own(lists[0]?.users, person.user) || [];
      const unread = P.unread(board, [k], lists);
      const none = el("p.soft", "No pictures of this person are in the site.");
      place.replaceChildren(
        ...(pictures.length
          ? [shots(pictures, facts.label, person)]
          : unread.length
            ? unread
            : [none]),
      );
      told(pictures);
    });
    return part;
  }

  function neighbours(board, people, at) {
    const link = (k, text) =>
      people[k]
        ? el("a.action", { href: P.link(["board", board.slug, "user", people[k].user]) }, text)
        : null;
    const choice = P.choice(
      "Person",
      people.map((person) => [person.user, person.user]),
      people[at].user,
      (user) => P.go(["board", board.slug, "user", user]),
    );
    return el(
      "div.toolbar",
      choice,
      link(at - 1, "\u2190 previous"),
      link(at + 1, "next \u2192"),
      el(
        "a.action",
        { href: P.link(["board", board.slug, "gallery"], { user: people[at].user }) },
        "side by side",
      ),
    );
  }

  P.view("board/:slug/user/:user", async ({ slug, user }) => {
    const board = await P.board(slug);
    const { people, note } = await P.want(`people/${slug}`);
    const at = people.findIndex((person) => person.user === user);
    if (at < 0) throw new Error(`there is no person ${user} on this board`);
    const person = people[at];
    const values =
      board.headline && !board.byPrompt ? await P.valuesOf(board, board.headline) : null;
    const legend = el("div");
    const seen = [];
    const told = (pictures) => {
      seen.push(...pictures);
      legend.replaceChildren(P.pictureLegend(seen) || "");
    };
    const methods = el(
      "div",
      board.rows.map((_, k) => methodPart(board, k, person, P.valueFor(values, k, user), told)),
    );
    return {
      title: `${user}, ${board.standings.board.title}`,
      ready: () => P.lightbox(methods),
      page: [
        P.heading(board, "people", user),
        neighbours(board, people, at),
        P.notes([note].filter(Boolean)),
        strip(
          `Likes: ${person.history.length} of ${person.n_likes}, newest last`,
          person.history,
          "liked picture",
        ),
        references(person),
        P.section("What each method made", legend, methods),
      ],
    };
  });
})(PGBENCH);
