"use strict";
/* A board's columns as Tabulator takes them. Every cell is an element made here: no text
   goes through markup. */
(function (P) {
  const { el } = P;

  /* What has no value stands last in both directions. */
  const last = (compare) => (a, b, aRow, bRow, column, direction) => {
    const none = (value) => value === null || value === undefined;
    if (none(a) || none(b))
      return none(a) === none(b) ? 0 : none(a) === (direction === "asc") ? 1 : -1;
    return compare(a, b);
  };
  const byNumber = last((a, b) => a - b);
  const byText = last((a, b) => String(a).localeCompare(String(b)));

  const head = (text, marks, about, end) => () =>
    el(
      "span",
      { class: end ? "col-head end" : "col-head" },
      el("button.sort", { title: "Sort" }, text),
      about
        ? el(
            "span.col-marks",
            marks,
            el(
              "button.about",
              {
                type: "button",
                "aria-label": `About ${text}`,
                onclick: (event) => {
                  event.stopPropagation();
                  about();
                },
              },
              "?",
            ),
          )
        : null,
    );

  const data = (cell) => cell.getRow().getData();

  const method = (picks) => (cell) => {
    const { label, kind, row, facts, paper, name } = data(cell);
    const marks = [];
    if (kind === "anchor") marks.push(P.badge("anchor", "A reference line, never ranked"));
    if (kind === "reported")
      marks.push(
        P.badge("reported", `${paper.source}; ${paper.caveat} (${paper.world})`, "reported"),
      );
    if (row?.external) marks.push(P.badge("external", "Pictures made elsewhere"));
    if (row?.local) marks.push(P.badge("local", "Its code is in no package"));
    if (facts && !facts.complete)
      marks.push(P.badge("incomplete", "Pictures or numbers are missing", "warn"));
    const under = kind === "reported" ? paper.title : row.mark || facts.package;
    const pick = row
      ? el("input.pick", {
          type: "checkbox",
          value: name,
          checked: picks.has(name),
          "aria-label": `Choose ${label} to compare`,
        })
      : el("span.pick");
    return el(
      "span.method",
      pick,
      el(
        "span.stack",
        el("span.named", el("span.label", { title: label }, label), marks),
        el("span", { class: row?.mark ? "under warn" : "under", title: under }, under),
      ),
    );
  };

  const number = (board, column, extent) => (cell) => {
    const found = P.own(data(cell).cells, column.metric);
    if (!found || found.mean === null || found.mean === undefined) return el("span.none", "\u2013");
    const words = [P.inFull(found, board)];
    if (found.own_judge) words.push("the method used this judge in fit or selection");
    if (found.best) words.push("no ranked method is significantly better");
    if (found.differs) words.push(`not comparable: ${found.differs}`);
    const marks = (found.own_judge ? "\u2020" : "") + (found.differs ? "\u2260" : "");
    return el(
      "span.stack.number",
      { title: words.join("; ") },
      el(
        "span",
        { class: found.best ? "figure best" : "figure" },
        P.number(found.mean, column),
        marks ? el("sup", { "aria-hidden": "true" }, marks) : null,
      ),
      el("span.unseen", ` (${words.join("; ")})`),
      P.interval(found, extent),
    );
  };

  /* Of all rows with an interval, so that a reported number does not flatten the rest. */
  function extentOf(rows, metric) {
    const known = rows
      .map((row) => P.own(row.cells, metric))
      .filter((cell) => cell && cell.mean !== null);
    const ranged = known.filter((cell) => (cell.low ?? null) !== null);
    const cells = ranged.length ? ranged : known;
    return [
      Math.min(...cells.map((c) => c.low ?? c.mean)),
      Math.max(...cells.map((c) => c.high ?? c.mean)),
    ];
  }

  const lettersOf = (board) =>
    [...new Set(board.standings.methods.flatMap((row) => [...row.group]))].sort().slice(0, 12);

  function rankRange(board) {
    const ranked = board.standings.methods.filter((row) => row.rank !== null);
    const letters = lettersOf(board);
    return (cell) => {
      const { row } = data(cell);
      if (!row || row.rank === null) return el("span.none", "\u2013");
      return el(
        "span.ranks",
        row.rank_low === null ? "" : P.rankRange(row, ranked.length),
        P.ties(row.group, letters),
      );
    };
  }

  function pictures(board) {
    return (cell) => {
      const { row, cells } = data(cell);
      if (!row) return el("span.none", "\u2013");
      const n = P.own(cells, board.headline?.metric)?.n_units ?? 0;
      return P.delivered(board, row.n_ok, row.n_expected, n);
    };
  }

  function made(board) {
    return (cell) => {
      const { facts, paper } = data(cell);
      const under = facts ? `${board.link.data} \u00b7 ${board.page.release}` : "not run here";
      return el(
        "span.stack.made",
        {
          title: facts
            ? `${facts.date}; data ${board.link.data}; release ${board.page.release}`
            : paper.source,
        },
        el("span", facts ? facts.date || "no date" : "paper"),
        el("span.under", under),
      );
    };
  }

  function metricColumn(board, column, k, rows) {
    const arrow = P.own({ higher: "\u2191", lower: "\u2193" }, column.direction);
    const marks = [
      arrow
        ? el(
            "span.better",
            { role: "img", title: P.better(column), "aria-label": P.better(column) },
            arrow,
          )
        : null,
      column.human ? P.badge("people", "Judged by people", "human") : null,
      column.headline ? P.badge("ranks", "The board is ranked by this column") : null,
    ];
    return {
      title: column.header,
      field: `m${k}`,
      sorter: byNumber,
      hozAlign: "right",
      headerHozAlign: "right",
      width: Math.round(Math.min(200, Math.max(118, 36 + 8.6 * column.header.length))),
      titleFormatter: head(column.header, marks, () => P.explain(board, column), true),
      headerSortStartingDir: column.direction === "lower" ? "asc" : "desc",
      formatter: number(board, column, extentOf(rows, column.metric)),
    };
  }

  /* The names under which columns are hidden and sorted, to their Tabulator fields. */
  P.fields = (board) =>
    new Map([
      ["method", "method"],
      ["rank", "rank"],
      ...board.columns.map((column, k) => [column.metric, `m${k}`]),
      ["pictures", "lost"],
      ["made", "made"],
    ]);

  /* `picks`: names of the rows whose boxes are ticked. */
  P.boardColumns = (board, rows, picks, narrow) => {
    const plain = (title, field, width, formatter, more) => ({
      title,
      field,
      width,
      formatter,
      titleFormatter: head(title, [], null, more.headerHozAlign),
      headerSortStartingDir: "asc",
      sorter: byNumber,
      ...more,
    });
    const range = plain(
      "Rank range and ties",
      "range",
      130 + 10 * lettersOf(board).length,
      rankRange(board),
      { headerSort: false, titleFormatter: () => el("span.col-head", "Range, ties") },
    );
    const several = board.nouns[1].replace(/^./, (letter) => letter.toUpperCase());
    const right = { hozAlign: "right", headerHozAlign: "right" };
    const sent = plain(`${several}, pictures`, "lost", 132, pictures(board), {
      headerSortStartingDir: "desc",
      ...right,
    });
    const [first, ...others] = board.columns.map((column, k) =>
      metricColumn(board, column, k, rows),
    );
    const rank = (cell) => el("span.rank", cell.getValue() ?? "\u2013");
    return [
      plain("Method", "method", narrow ? 156 : 264, method(picks), {
        frozen: true,
        sorter: byText,
      }),
      plain("Rank", "rank", narrow ? 62 : 78, rank, right),
      ...(narrow ? [first, range] : [range, first]),
      sent,
      ...others,
      plain("Made", "made", 250, made(board), { headerSortStartingDir: "desc", sorter: byText }),
    ];
  };
})(PGBENCH);
