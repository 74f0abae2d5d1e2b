"use strict";
/* A page that `filterscope serve` serves: every answer goes to the server at once. What it has not confirmed waits in the
   browser's storage, question by question, and is sent again when the page is loaded or the server is back. */
(() => {
  const { questions, subject } = JSON.parse(document.getElementById("held").textContent);
  const saved = JSON.parse(document.getElementById("saved").textContent);
  const place = (name) => `filterscope/${subject}/${name}`;
  const waiting = (key) => place(`${key}/waits`);
  const told = dom.element("p", { class: "quiet", id: "saving", role: "status" });
  document.querySelector(".take").before(told);
  let store = null;
  try { store = window.localStorage; } catch { /* then what waits is lost with the page */ }
  const held = new Map();
  const outbox = {
    set(key, item) { held.set(key, item); store?.setItem(waiting(key), JSON.stringify(item)); },
    get(key) {
      try { return held.get(key) ?? JSON.parse(store?.getItem(waiting(key)) ?? "null"); } catch { return null; }
    },
    remove(key) { held.delete(key); store?.removeItem(waiting(key)); },
  };

  /* Take what the server holds, but what waits here. */
  function take(items) {
    for (const { key } of questions) {
      if (!store || outbox.get(key)) continue;
      const { answer, at, seconds } = items[key] ?? {};
      if (answer) {
        store.setItem(place(key), answer);
        store.setItem(place(`${key}/took`), JSON.stringify({ at, seconds }));
      } else for (const name of [key, `${key}/took`]) store.removeItem(place(name));
    }
    window.dispatchEvent(new Event("storage"));
  }

  let sending = false;
  async function send() {
    if (sending) return;
    sending = true;
    let stored = "";
    try {
      for (;;) {
        const items = Object.fromEntries(questions.map(({ key }) => [key, outbox.get(key)]).filter(([, item]) => item));
        if (!Object.keys(items).length) break;
        const reply = await fetch(location.pathname, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ subject, items }) });
        if (!reply.ok) throw new Error((await reply.text()).slice(0, 200) || `status ${reply.status}`);
        const { items: all, file } = await reply.json();
        for (const [key, item] of Object.entries(items)) if (JSON.stringify(outbox.get(key)) === JSON.stringify(item)) outbox.remove(key);
        take(all);
        stored = file;
      }
      if (stored) told.textContent = `Saved in ${stored}`; // not before the last answer is
    } catch (error) {
      told.textContent = `Not saved yet (${error.message}); kept in this browser. If the server has ended, start filterscope serve again and open its new address.`;
      setTimeout(send, 2000);
    } finally { sending = false; }
  }

  document.addEventListener("put", ({ detail: { key, answer, took } }) => {
    outbox.set(key, { answer, at: took?.at ?? Date.now(), seconds: took?.seconds ?? 0 });
    told.textContent = "Saving…";
    send();
  });
  take(saved);
  send();
})();
