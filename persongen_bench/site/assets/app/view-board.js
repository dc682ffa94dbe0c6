"use strict";
/* The table of a board, its plots, and everything that is said of it. */
(function (P) {
  const sortOf = (board, text) => {
    const name = text.replace(/^-/, "");
    const field = P.fields(board).get(name);
    return field ? [{ column: field, dir: text.startsWith("-") ? "desc" : "asc" }] : [];
  };

  function fragility({ fragile, standings }) {
    const first = standings.methods.find((row) => row.rank === 1);
    if (!first || !fragile.of) return null;
    if (fragile.n_users === null) {
      return P.el("p", { class: "fragile" }, "No removal of people changes rank 1.");
    }
    return P.el("p", { class: "fragile" }, "Rank 1 changes if ", P.el("strong", {}, `${fragile.n_users} of ${fragile.of} people`),
      " are removed", fragile.new_first ? [": then ", P.el("strong", {}, fragile.new_first), " is first."] : ".");
  }

  function facts(board) {
    const { link, page, standings, headline } = board;
    const ranked = headline ? [P.fact("ranked by", `${headline.metric} (${P.better(headline)})`)] : [];
    return P.el("p", { class: "facts" }, ...ranked, P.fact("people", String(standings.n_units)),
      P.fact("data", link.data), P.fact("release", page.release), P.fact("date", page.date || "\u2013"));
  }

  const FILES = { csv: "CSV", json: "JSON", tex: "LaTeX" };

  function downloads({ page }) {
    const links = Object.entries(page.downloads).map(([kind, address]) =>
      P.el("a", { href: address, download: address.split("/").at(-1), class: "download" }, FILES[kind] || kind));
    const figures = Object.entries(page.figures).map(([name, address]) =>
      P.el("a", { href: address, class: "download", target: "_blank", rel: "noopener" }, `figure: ${name}`));
    return P.el("p", { class: "downloads" }, P.el("span", { class: "soft" }, "Download this table: "), ...links, ...figures);
  }

  /* The two chosen rows, when there are two. */
  function picked(board, host, place) {
    const chosen = new Set();
    host.addEventListener("change", (event) => {
      if (!event.target.classList.contains("pick")) return;
      if (event.target.checked) chosen.add(event.target.value);
      else chosen.delete(event.target.value);
      const [a, b] = [...chosen].slice(-2);
      place.replaceChildren(...(b === undefined ? [] : [P.el("a", { class: "action",
        href: P.link(["board", board.slug, "compare"], { a, b }) }, `Compare ${a} with ${b}`)]));
    });
    host.addEventListener("click", (event) => event.target.classList.contains("pick") && event.stopPropagation(), true);
  }

  /* Tabulator with what the state says; `apply` shows a changed state, `shown` lists its rows. */
  function grid(board, rows, state, sorted) {
    const host = P.el("div", { id: "board-table" });
    const narrow = window.innerWidth < 700;
    const fields = P.fields(board);
    const name = (field) => [...fields].find(([, one]) => one === field)?.[0];
    let table = null;
    const visible = () => rows.filter(P.passes(board, state()));
    const hidden = (field) => state().hide.includes(name(field));
    const start = () => {
      table = new Tabulator(host, {
        data: rows, layout: "fitData", index: "id", headerSortTristate: true, movableColumns: false,
        maxHeight: rows.length > 40 ? "85vh" : false, placeholder: "No row passes the filters.",
        columnDefaults: { resizable: false, headerSortTristate: true, vertAlign: "middle" },
        columns: P.boardColumns(board, rows, narrow).map((column) => ({ ...column, visible: !hidden(column.field) })),
        initialSort: sortOf(board, state().sort),
        rowFormatter: (row) => row.getElement().classList.add(`kind-${row.getData().kind}`),
      });
      table.on("tableBuilt", () => {
        host.setAttribute("aria-label", `${board.standings.board.title}: ${rows.length} rows`);
        table.setFilter(P.passes(board, state()));
        table.on("dataSorted", (sorters) => {
          const first = sorters[0];
          sorted(first ? (first.dir === "desc" ? "-" : "") + name(first.field) : "");
        });
      });
    };
    const apply = (part) => {
      if ("hide" in part) {
        for (const [one, field] of fields) if (one !== "method") table[state().hide.includes(one) ? "hideColumn" : "showColumn"](field);
        table[state().hide.includes("rank") ? "hideColumn" : "showColumn"]("range");
      }
      table.setFilter(P.passes(board, state()));
    };
    return { host, start, apply, visible };
  }

  function plots(board, shown) {
    const { headline } = board;
    if (!headline) return { element: P.el("div", {}), redraw: () => {} };
    const cells = (metric) => shown().map((row) => ({ label: row.label, kind: row.kind, cell: row.cells[metric] }));
    const forest = P.figure("The headline with 95% intervals over people; rings are anchors. The first 60 rows that are shown.", (width) => P.forest(cells(headline.metric), headline, width));
    const figures = [forest, against(board, shown, "cost"), against(board, shown, "other")];
    if (board.page.history.length > 1) figures.push(releases(board));
    return { element: P.section("Plots", P.el("div", { class: "plots" }, figures)), 
      redraw: () => figures.forEach((figure) => figure.redraw?.()) };
  }

  /* The headline against a cost, or against another column; which, the reader chooses. */
  function against(board, shown, what) {
    const { headline, columns } = board;
    const costs = [...new Set(board.rows.flatMap((row) => Object.keys(row.cost || {})))].sort();
    const others = columns.filter((column) => !column.headline);
    const options = what === "cost" ? costs.map((name) => [name, name]) : others.map((column) => [column.metric, column.header]);
    const usual = what === "cost" ? ["seconds_per_image_p50", "fit_seconds"] : ["diversity", "vendi", "lpips-diversity"];
    let chosen = usual.map((name) => options.find(([value]) => value.startsWith(name))?.[0]).find(Boolean) || options[0]?.[0];
    if (!chosen) return P.el("p", { class: "soft" }, what === "cost" ? "No row says what it cost." : "There is no other column.");
    const scale = 10 ** headline.exponent;
    const x = (row) => {
      if (what === "cost") return row.row?.cost?.[chosen] ?? null;
      const mean = row.cells[chosen]?.mean ?? null;
      return mean === null ? null : mean / 10 ** others.find((column) => column.metric === chosen).exponent;
    };
    const draw = (width) => P.scatter(shown().map((row) => {
      const mean = row.cells[headline.metric]?.mean ?? null;
      return { label: row.label, kind: row.kind, x: x(row), y: mean === null ? null : mean / scale };
    }), { xLabel: chosen, yLabel: headline.header, log: what === "cost" }, width);
    const figure = P.figure(what === "cost" ? "Quality against cost; costs differ between machines." : "Quality against another column.", draw);
    figure.prepend(P.choice("Horizontal", options, chosen, (value) => {
      chosen = value;
      figure.redraw();
    }));
    return figure;
  }

  function releases(board) {
    const names = board.page.history.map((one) => one.release);
    const ranked = board.page.rows.filter((facts) => facts.kind === "method").slice(0, 10);
    const points = ranked.flatMap((facts) => facts.history.map((one) => ({ ...one, label: facts.label })))
      .filter((one) => one.mean !== null);
    return P.figure("The headline over releases of the board.", (width) => P.overReleases(points, names, board.headline, width));
  }

  function releaseTable(board) {
    const { history } = board.page;
    if (history.length < 2) return null;
    return P.section("Releases", P.table("Releases of this board, oldest first", ["release", "date", "first"], history.map((one) =>
      [one.slug && one.slug !== board.slug ? P.el("a", { href: P.link(["board", one.slug]) }, one.release) : one.release, one.date, one.first])));
  }

  function said(board) {
    const { standings, page } = board;
    const missing = standings.missing.length ? [`Baselines and anchors without a run here: ${standings.missing.join(", ")}.`] : [];
    const papers = standings.reported.map((paper) => `Reported in ${paper.title}: ${paper.source}; ${paper.caveat} (${paper.world}).`);
    const marks = ["A number in colour: no ranked method is significantly better in its column. \u2020: the method used this judge. \u2260: not comparable."];
    return [
      P.section("Notes", P.notes([...marks, ...standings.notes, ...page.notes, ...papers, ...missing])),
      standings.refused.length ? P.section("Refused runs", P.table("Runs that do not stand in the table", ["run", "method", "reason"],
        standings.refused.map((run) => [run.run, run.label, run.reason]))) : null,
      P.section("What the columns say", P.el("div", { class: "cards" }, board.columns.map((column) =>
        P.el("details", { class: "about-column" }, P.el("summary", {}, column.header, P.el("span", { class: "soft" }, ` ${P.better(column)}`)), P.card(column))))),
      releaseTable(board),
      P.section("What all rows share", P.table("Protocol", ["name", "value"],
        Object.entries(standings.protocol).map(([name, value]) => [name, P.el("code", {}, String(value))]))),
    ];
  }

  P.view("board/:slug", async ({ slug }, asked) => {
    const board = await P.board(slug);
    const rows = P.boardRows(board);
    const nIncomplete = rows.filter((row) => !row.complete).length;
    let state = P.stateOf(asked);
    const chips = P.el("ul", { class: "chips", "aria-label": "Active filters" });
    const count = P.el("p", { class: "count" });
    const action = P.el("p", { class: "picked", "aria-live": "polite" });
    const told = () => {
      P.seen(["board", slug], P.queryOf(state));
      chips.replaceChildren(...P.chips(board, state, nIncomplete, change));
      const text = `${table.visible().length} of ${P.plural(rows.length, "row")}`;
      count.textContent = text;
      P.say(text + (state.sort ? `, sorted by ${state.sort.replace(/^-(.*)/, "$1, descending")}` : ""));
    };
    const change = (part) => {
      state = { ...state, ...part };
      bar.refresh();
      table.apply(part);
      told();
      drawings.redraw();
    };
    const table = grid(board, rows, () => state, (sort) => {
      state = { ...state, sort };
      told();
    });
    const bar = P.toolbar(board, () => state, change);
    const drawings = plots(board, table.visible);
    picked(board, table.host, action);
    bar.refresh();
    const page = [
      P.heading(board, "", board.standings.board.title, facts(board), fragility(board.page)),
      ...board.standings.leaks.map((text) => P.el("p", { class: "warning", role: "note" }, text)),
      bar.element, P.el("div", { class: "filters" }, chips, count), action, table.host, downloads(board), drawings.element, ...said(board),
    ];
    return { title: board.standings.board.title, page, ready: () => {
      table.start();
      told();
    } };
  });
})(PGBENCH);
