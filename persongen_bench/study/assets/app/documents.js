"use strict";
// The study and its sessions are scripts that call `PGBENCH.put`: a page from a disk may fetch nothing.
const PGBENCH = (() => {
  const documents = new Map();
  const load = (address) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = resolve;
    script.onerror = () => reject(new Error(address));
    document.head.append(script);
  });
  const session = async (hash) => {
    documents.delete("session");
    await load(`sessions/${hash}.js`);
    return documents.get("session");
  };
  const sha256 = async (text) => {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  return { put: (name, value) => documents.set(name, value), get: (name) => documents.get(name), session, sha256 };
})();
