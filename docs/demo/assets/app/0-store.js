"use strict";
/* Documents by key. A page opened from a disk may fetch nothing, so each document is a script that
   calls PGBENCH.put, and is loaded by a script element when it is first wanted. */
const PGBENCH = (function () {
  const entries = new Map();

  const ADDRESSES = {
    index: () => "data/index.js",
    board: (slug) => `data/${slug}/board.js`,
    people: (slug) => `data/${slug}/people.js`,
    values: (slug, k) => `data/${slug}/values-${k}.js`,
    pictures: (slug, n) => `data/${slug}/pictures-${n}.js`,
  };

  /* Keys come from addresses that anybody can write: nothing but plain names leads to a file. */
  function address(key) {
    if (!/^[a-z]+(\/[a-z0-9-]+(\/\d+)?)?$/.test(key)) throw new Error(`no document ${key}`);
    const [kind, ...rest] = key.split("/");
    if (!Object.hasOwn(ADDRESSES, kind)) throw new Error(`no document ${key}`);
    return ADDRESSES[kind](...rest);
  }

  function entry(key) {
    if (!entries.has(key)) {
      const made = { asked: false };
      made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
      entries.set(key, made);
    }
    return entries.get(key);
  }

  function put(key, content) {
    const waiting = entry(key);
    waiting.asked = true;
    waiting.resolve(content);
  }

  function want(key) {
    let source;
    try {
      source = address(key);
    } catch (error) {
      return Promise.reject(error);
    }
    const wanted = entry(key);
    if (!wanted.asked) {
      wanted.asked = true;
      const script = document.createElement("script");
      script.src = source;
      script.addEventListener("error", () => {
        entries.delete(key);
        wanted.reject(new Error(`${source} cannot be read`));
      });
      document.head.append(script);
    }
    return wanted.promise;
  }

  return { put, want };
})();
