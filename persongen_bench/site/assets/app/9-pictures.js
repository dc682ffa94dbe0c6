"use strict";
/* Pictures that can be seen large, side by side over methods. */
(function (P) {
  const { el } = P;

  const LARGE = 900;

  /* Pictures of two rows with one key belong together. */
  P.keyOf = (picture) =>
    JSON.stringify([picture.user, picture.request, picture.seed, picture.index]);

  /* The lists of pictures of some rows; null for a row whose file is not there. */
  P.pictureLists = (board, rows) =>
    Promise.all(rows.map((k) => P.want(`pictures/${board.slug}/${k}`).catch(() => null)));

  P.unread = (board, rows, lists) =>
    rows
      .filter((_, k) => lists[k] === null)
      .map((k) =>
        el(
          "p.warning",
          `The pictures of ${board.page.rows[k].label} are not here or cannot be read.`,
        ),
      );

  /* A row's pictures for one person, or for one prompt where the board is over prompts. */
  P.picturesFor = (board, list, unit) => {
    const users = list?.users || {};
    if (!board.byPrompt) return P.own(users, unit) || [];
    return Object.entries(users).flatMap(([user, pictures]) =>
      pictures.filter((one) => one.unit === unit).map((one) => ({ ...one, user })),
    );
  };

  /* What tells pictures apart besides their index: who asked for what with which seed, where there
     are several. `people`: the board's, for the words of their requests. */
  P.apart = (pictures, people) => {
    const several = (name) => new Set(pictures.map((one) => one[name])).size > 1;
    const [users, requests, seeds] = ["user", "request", "seed"].map(several);
    const caption = ({ user, request }) => {
      const person = people.find((one) => one.user === user);
      return person?.captions[person.requests.indexOf(request)] || `request ${request}`;
    };
    return (picture, user) =>
      [
        users ? picture.user : "",
        requests ? caption({ ...picture, user: picture.user ?? user }) : "",
        seeds ? `seed ${picture.seed}` : "",
      ]
        .filter(Boolean)
        .join(", ");
  };

  P.peopleOf = (board) =>
    P.want(`people/${board.slug}`).catch(() => ({ people: [], sampled: 0, note: "" }));

  P.keysOf = (lists) => {
    const found = new Map();
    for (const picture of lists.flat())
      if (!found.has(P.keyOf(picture))) found.set(P.keyOf(picture), picture);
    return [...found].sort(
      ([, a], [, b]) => a.request.localeCompare(b.request) || a.seed - b.seed || a.index - b.index,
    );
  };

  const COPIES = {
    training: "repeats a training picture",
    "held-out": "repeats a held-out picture",
  };

  P.toldOf = (picture) =>
    [
      picture.taste === null ? "" : `true taste ${P.short(picture.taste, 2)}`,
      P.own(COPIES, picture.copy_of) || picture.copy_of,
    ]
      .filter(Boolean)
      .join(", ");

  /* A picture as a link that opens it large; `words` stand below it there. */
  P.shot = (picture, words) => {
    const image = P.thumb(picture.thumb, words);
    return el(
      "a",
      { class: picture.copy_of ? "shot copied" : "shot", href: picture.thumb, "data-words": words },
      image,
    );
  };

  P.tasteOf = (picture) => {
    if (picture.taste === null) return null;
    const share = Math.max(0, Math.min(1, picture.taste));
    return el(
      "span.taste",
      { title: `true taste ${picture.taste}` },
      P.svg(
        "svg",
        { width: 34, height: 6, viewBox: "0 0 34 6", "aria-hidden": "true" },
        P.svg("rect", { width: 34, height: 6, class: "axis-fill" }),
        P.svg("rect", { width: 34 * share, height: 6, class: "came" }),
      ),
      ` ${picture.taste.toFixed(2)}`,
    );
  };

  /* What the marks of the pictures mean. */
  P.pictureLegend = (pictures) =>
    P.notes(
      [
        pictures.some((one) => one.copy_of)
          ? "A coloured border: the picture repeats one of the data, from training or held out."
          : "",
        pictures.some((one) => one.taste !== null)
          ? "Bar and number below a picture: its true taste, from 0 to 1: how much its person likes it."
          : "",
      ].filter(Boolean),
      "legend",
    );

  /* Nearest pictures of the data, as small ones below. */
  P.nearest = (picture) => {
    const one = (name, address, distance) =>
      address
        ? el(
            "span.near",
            { title: `nearest ${name} picture, ${distance} grey levels away` },
            P.thumb(address, `nearest ${name} picture`),
            el("span", name, el("br"), P.short(distance)),
          )
        : null;
    const found = [
      one("training", picture.training, picture.training_distance),
      one("held-out", picture.held_out, picture.held_out_distance),
    ];
    return found.some(Boolean) ? el("span.nearest", found) : null;
  };

  function sized(item, element) {
    const image = element.querySelector("img");
    const [width, height] = [image.naturalWidth || 1, image.naturalHeight || 1];
    const larger = LARGE / Math.max(width, height);
    return {
      ...item,
      src: element.getAttribute("href"),
      msrc: image.src,
      alt: element.dataset.words,
      w: Math.round(width * larger),
      h: Math.round(height * larger),
    };
  }

  let open = null;

  /* All shots inside `place` become one sequence; arrow keys go through it. */
  P.lightbox = (place) => {
    open?.destroy();
    open = new PhotoSwipeLightbox({
      gallery: place,
      children: "a.shot",
      pswpModule: PhotoSwipe,
      showHideAnimationType: matchMedia("(prefers-reduced-motion: reduce)").matches
        ? "none"
        : "fade",
      bgOpacity: 0.94,
      wheelToZoom: true,
      padding: { top: 44, bottom: 84, left: 12, right: 12 },
    });
    open.addFilter("domItemData", sized);
    open.on("uiRegister", () => {
      open.pswp.ui.registerElement({
        name: "words",
        order: 9,
        isButton: false,
        appendTo: "root",
        onInit: (element, shown) => {
          element.setAttribute("aria-live", "polite");
          shown.on("change", () => {
            element.textContent = shown.currSlide.data.alt;
          });
        },
      });
    });
    open.init();
  };

  P.closeLightbox = () => {
    open?.destroy();
    open = null;
  };
})(PGBENCH);
