"use strict";
/* Addresses behind the #: each says what was chosen on its page, so that each can be passed on. */
(function (P) {
  const views = [];

  /* `pattern`: names between slashes, those with a colon are given to `show`. */
  P.view = (pattern, show) => views.push({ parts: pattern.split("/"), show });

  function matched(parts, given) {
    if (parts.length !== given.length) return null;
    const found = {};
    for (const [k, part] of parts.entries()) {
      if (part.startsWith(":")) found[part.slice(1)] = given[k];
      else if (part !== given[k]) return null;
    }
    return found;
  }

  const decoded = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };

  P.route = () => {
    const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
    const given = path.split("/").map(decoded);
    const asked = new URLSearchParams(query || "");
    for (const { parts, show } of views) {
      const found = matched(parts, given);
      if (found) return { show, found, asked };
    }
    return null;
  };

  /* `query`: name to text or texts; what is empty is left out. */
  P.link = (parts, query) => {
    const asked = new URLSearchParams();
    for (const [name, value] of Object.entries(query || {})) {
      for (const one of [value].flat())
        if (one !== "" && one !== null && one !== undefined) asked.append(name, one);
    }
    const path = "#/" + parts.map(encodeURIComponent).join("/");
    return asked.size ? `${path}?${asked}` : path;
  };

  /* The address of what is seen changed, what is seen did already. */
  P.seen = (parts, query) => history.replaceState(null, "", P.link(parts, query));

  P.go = (parts, query) => {
    location.hash = P.link(parts, query);
  };
})(PGBENCH);
