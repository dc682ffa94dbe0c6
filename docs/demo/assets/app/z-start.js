"use strict";
/* The frame around pages, and the page that the address names. */
(function (P) {
  const { el } = P;

  const page = document.getElementById("page");

  function stored(value) {
    try {
      if (value === undefined) return localStorage.getItem("pgbench-theme");
      localStorage.setItem("pgbench-theme", value);
    } catch {
      return null;
    }
    return value;
  }

  /* Follows the system until it is pressed. */
  function themeButton() {
    const dark = () =>
      document.documentElement.dataset.theme
        ? document.documentElement.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
    const button = el("button.theme", {
      onclick: () => {
        document.documentElement.dataset.theme = dark() ? "light" : "dark";
        stored(document.documentElement.dataset.theme);
        told();
      },
    });
    const told = () => {
      button.textContent = dark() ? "Light" : "Dark";
      button.setAttribute("aria-label", `Use ${dark() ? "light" : "dark"} colours`);
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", told);
    const chosen = stored();
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
    told();
    return button;
  }

  /* Fills what the template leaves empty. */
  async function frame() {
    document.body.prepend(
      el(
        "a.skip",
        {
          href: "#/",
          onclick: (event) => {
            event.preventDefault();
            page.focus();
          },
        },
        "Skip to the page",
      ),
    );
    const links = el("span.nav-boards");
    document
      .getElementById("head")
      .replaceChildren(
        el(
          "nav",
          { id: "boards", "aria-label": "Boards" },
          el("a.brand", { href: "#/" }, "persongen-bench"),
          links,
          themeButton(),
        ),
      );
    const { boards } = await P.want("index");
    const several = new Set(boards.map((one) => one.name)).size < boards.length;
    links.replaceChildren(
      ...boards
        .slice(0, 8)
        .map((one) =>
          el(
            "a",
            { href: P.link(["board", one.slug]), "data-slug": one.slug },
            several ? one.slug : one.name,
          ),
        ),
    );
  }

  function current(found) {
    for (const link of document.querySelectorAll("#boards a[data-slug]")) {
      if (link.dataset.slug === found?.slug) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  let turn = 0;

  const notHere = (error) => ({
    title: "Not here",
    page: [
      el("h1", { tabindex: "-1" }, "Not here"),
      el("p.warning", error.message),
      el("p", el("a", { href: "#/" }, "All boards")),
    ],
  });

  /* What was used on the page before: if the next page has it too, it was changed in place. */
  function place() {
    const used = page.contains(document.activeElement) ? document.activeElement.id : "";
    const menus = [...page.querySelectorAll("details.menu[open][id]")].map((one) => one.id);
    const y = window.scrollY;
    return () => {
      const again = used && page.querySelector(`#${CSS.escape(used)}`);
      if (!again) {
        window.scrollTo(0, 0);
        page.querySelector("h1")?.focus({ preventScroll: true });
        return;
      }
      for (const id of menus)
        for (const menu of page.querySelectorAll(`details#${CSS.escape(id)}`)) menu.open = true;
      again.focus({ preventScroll: true });
      window.scrollTo(0, y);
      P.say(document.title);
    };
  }

  async function show(first) {
    const mine = ++turn;
    P.closeLightbox();
    const route = P.route();
    let made;
    try {
      if (!route) throw new Error(`there is no page ${location.hash}`);
      made = await route.show(route.found, route.asked);
    } catch (error) {
      made = notHere(error);
    }
    if (mine !== turn) return;
    const settle = place();
    page.replaceChildren(...made.page.flat().filter(Boolean));
    document.title = `${made.title} \u00b7 persongen-bench`;
    current(route?.found);
    try {
      await made.ready?.();
    } catch (error) {
      page.append(el("p.warning", error.message));
    }
    if (!first) settle();
    page.dataset.shown = location.hash;
  }

  /* A click shows the words of what has a title, where no pointer can rest on it. */
  const hint = el("div.hint", { popover: "auto" });
  document.body.append(hint);
  page.addEventListener("click", (event) => {
    const over = event.target.closest?.("[title]");
    if (!over || event.target.closest("a, button, summary, label, input, select")) return;
    hint.textContent = over.getAttribute("title");
    hint.showPopover();
    const { left, bottom } = over.getBoundingClientRect();
    hint.style.left = `${Math.max(8, Math.min(left, window.innerWidth - hint.offsetWidth - 8))}px`;
    hint.style.top = `${Math.min(bottom + 4, window.innerHeight - hint.offsetHeight - 8)}px`;
  });

  window.addEventListener("hashchange", () => show(false));
  frame().then(
    () => current(P.route()?.found),
    () => {}, // without an index the page below says so
  );
  show(true);
})(PGBENCH);
