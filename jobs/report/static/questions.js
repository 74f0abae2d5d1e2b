"use strict";
/* One question at a time. Every answer has a place of its own in the browser's storage, so that tabs never overwrite each
   other's; what a tab undoes are its own answers. The CSV is made of what the storage holds when it is downloaded. */
(() => {
  const held = JSON.parse(document.getElementById("held").textContent);
  const { questions, choices } = held;
  const { element, svg } = dom;
  const at = (id) => document.getElementById(id);
  const place = (name) => `filterscope/${held.subject}/${name}`;
  const UNDO = "undo";

  /* A storage that may be refused: then the page remembers by itself, until it is closed. */
  function storage(name) {
    const own = new Map();
    try {
      const found = window[name];
      found.setItem(place("try"), "1");
      found.removeItem(place("try"));
      return { kept: true, get: (key) => found.getItem(place(key)), set: (key, value) => found.setItem(place(key), value), remove: (key) => found.removeItem(place(key)) };
    } catch {
      return { kept: false, get: (key) => own.get(key) ?? null, set: (key, value) => own.set(key, value), remove: (key) => own.delete(key) };
    }
  }
  const answers = storage("localStorage");
  const session = storage("sessionStorage");
  at("unkept").hidden = answers.kept;

  /* What an answer says: its choice and the numbers that it takes; null for what this page does not write. */
  function read(text) {
    const [word, ...numbers] = (text ?? "").split(" ");
    const choice = choices.find((one) => one.answer === word);
    if (!choice || choice.takes.length !== numbers.length || !numbers.every((number) => /^-?\d{1,9}(\.\d{1,4})?$/.test(number))) return null;
    return { choice, numbers, of: (name) => numbers[choice.takes.indexOf(name)] ?? "" };
  }
  /* Templates that there are: those known before, and those that answers here begin. */
  function begun() {
    const here = questions.filter((question) => read(answers.get(question.key))?.choice.begins);
    return [...(held.templates ?? []).map(({ name }) => name), ...here.map((question) => question.begins)];
  }
  function said(question) {
    const found = read(answers.get(question.key));
    return found?.of("template") && !begun().includes(found.of("template")) ? null : found;
  }
  const answerOf = (question) => said(question)?.choice.answer ?? null;
  const marking = typeof boxes === "undefined" ? null : boxes({ answerOf: (question) => said(question), begun });
  /* When a question was answered, and the seconds that it was looked at; others may have written there. */
  function tookOf(key) {
    try {
      const { at, seconds } = JSON.parse(answers.get(`${key}/took`));
      if (at >= 0 && seconds >= 0 && seconds <= 1e6) return { at, seconds };
    } catch { /* as if it had not been looked at */ }
    return { at: 0, seconds: 0 };
  }
  function put(key, answer, took) {
    for (const [name, value] of [[key, answer], [`${key}/took`, took && JSON.stringify(took)]]) value === null ? answers.remove(name) : answers.set(name, value);
    document.dispatchEvent(new CustomEvent("put", { detail: { key, answer, took } }));
  }

  const places = new Map(questions.map((question, n) => [question.key, n]));

  /* What this tab did: keys of questions, and their answers before. */
  function done() {
    try {
      return JSON.parse(session.get(UNDO) ?? "[]").filter(([key]) => places.has(key));
    } catch { return []; }
  }

  /* The first question without an answer from one on, around the end; that one itself if there is none. */
  function open(from) {
    for (let n = 0; n < questions.length; n += 1) {
      const next = (from + n) % questions.length;
      if (answerOf(questions[next]) === null) return next;
    }
    return from % questions.length;
  }
  const last = done().at(-1);
  let since = performance.now();
  let now = open(last ? places.get(last[0]) + 1 : 0);

  const buttons = choices.map((choice) => {
    const button = element("button", { type: "button", "data-answer": choice.answer }, `${choice.label} `, element("kbd", {}, choice.key.toUpperCase()));
    button.addEventListener("click", () => reply(choice));
    return button;
  });
  at("choices").append(...buttons);

  function drawn(question) {
    const [width, height] = question.size;
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Picture of question ${now + 1}` }, svg("image", { href: question.picture, width, height, preserveAspectRatio: "none" }));
    const [left, top, wide, high] = question.frame;
    if (question.frame.length) {
      const box = { x: left * width, y: top * height, width: wide * width, height: high * height };
      picture.append(svg("rect", { class: "under", ...box }), svg("rect", box));
    }
    marking?.show(question, picture);
    const caption = [question.frame.length ? "The question is about what the frame holds." : "", question.note].filter(Boolean).join(" ");
    return caption ? [picture, element("figcaption", {}, caption)] : [picture];
  }

  function show(to) {
    now = to;
    since = performance.now();
    const question = questions[now];
    at("picture").replaceChildren(...drawn(question));
    at("place").textContent = `Question ${(now + 1).toLocaleString("en")} of ${questions.length.toLocaleString("en")}`;
    at("title").textContent = question.title;
    at("facts").replaceChildren(...question.facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
    at("previous").disabled = now === 0;
    at("next").disabled = now === questions.length - 1;
    tell();
  }

  /* What is answered, here or in another tab. */
  function tell() {
    const given = questions.map(answerOf);
    const count = given.filter((answer) => answer !== null).length;
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.answer === given[now]));
      button.disabled = questions[now].without.includes(button.dataset.answer);
    }
    at("undo").disabled = !done().length;
    at("progress").value = count;
    const parts = choices.map((choice) => `${choice.label.toLowerCase()} ${given.filter((answer) => answer === choice.answer).length.toLocaleString("en")}`);
    const [some, all] = [count, questions.length].map((number) => number.toLocaleString("en"));
    at("count").textContent = `${some} of ${all} answered${count ? `: ${parts.join(", ")}` : ""}${count === questions.length ? ". Nothing is left to answer." : ""}`;
    document.body.classList.toggle("complete", count === questions.length);
    document.dispatchEvent(new CustomEvent("answers", { detail: { given: questions.map((question, n) => [question.key, given[n]]) } }));
  }

  function reply(choice) {
    const question = questions[now];
    if (question.without.includes(choice.answer)) return;
    const numbers = choice.takes.length ? marking.numbers(choice) : [];
    if (!numbers) { // what is missing is said
      at("said").textContent = at("lacks").textContent;
      return;
    }
    const last = said(question) && answers.get(question.key);
    const before = last ? tookOf(question.key) : null;
    session.set(UNDO, JSON.stringify([...done(), [question.key, last, before]]));
    const seconds = Math.min(Math.round((before?.seconds ?? 0) * 1000 + performance.now() - since) / 1000, 1e6);
    put(question.key, [choice.answer, ...numbers].join(" "), { at: Date.now(), seconds });
    show(open(now + 1));
    at("said").textContent = `${choice.label}. ${at("count").textContent.split(":")[0]}. ${at("place").textContent}: ${questions[now].title}`;
  }

  function undo() {
    const before = done();
    const back = before.pop();
    if (!back) return;
    session.set(UNDO, JSON.stringify(before));
    put(back[0], back[1], back[2] ?? null);
    show(places.get(back[0]));
    at("said").textContent = `Undone. ${at("place").textContent}: ${questions[now].title}`;
  }

  function download() {
    if (held.edits) files.save(held.file, "application/json", `${JSON.stringify({ ...held.edits, decisions: decisions() }, null, 1)}\n`);
    else files.save(held.file, "text/csv;charset=utf-8", files.csv([held.columns, ...rows()]));
    taken = true;
  }

  /* Answers in the order in which they were given. */
  function decisions() {
    const given = questions.map((question) => ({ node: question.key, decision: answerOf(question), ...tookOf(question.key) }));
    return given.filter(({ decision }) => decision !== null).sort((one, other) => one.at - other.at).map(({ node, decision, seconds }) => ({ node, decision, seconds }));
  }
  const rows = () => questions.map((question) => [...question.row, answerOf(question) ?? "", ...held.numbers.map((name) => said(question)?.of(name) ?? "")]);

  let taken = false;
  const step = (by) => { if (questions[now + by]) show(now + by); };
  const acts = { z: undo, Backspace: undo, ArrowLeft: () => step(-1), ArrowRight: () => step(1), d: download };
  for (const choice of choices) acts[choice.key] = () => reply(choice);
  for (const [key, act] of Object.entries(marking?.keys ?? {})) acts[key] = act;
  for (const [id, act] of [["undo", undo], ["previous", () => step(-1)], ["next", () => step(1)], ["download", download]]) at(id).addEventListener("click", act);
  document.addEventListener("keydown", (event) => {
    // a key that is held down answers once
    if (event.altKey || event.ctrlKey || event.metaKey || event.repeat || event.target.matches?.("input")) return;
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) { event.preventDefault(); act(); }
  });
  window.addEventListener("storage", tell);
  window.addEventListener("beforeunload", (event) => { if (!answers.kept && !taken && at("progress").value) event.preventDefault(); });
  show(now);
})();
