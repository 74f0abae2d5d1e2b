"use strict";
/* Answers that say where a part is: a box drawn on the picture, or typed, and which template it belongs to. */
const boxes = ({ answerOf, begun }) => {
  const held = JSON.parse(document.getElementById("held").textContent);
  const { element, svg } = dom;
  const NAMES = ["y", "x", "height", "width"];
  const LEAST = 2; // pixels of a side
  let question = null, layer = null, box = null, chosen = null, bounds = null;

  const lacks = element("p", { class: "note", id: "lacks", role: "alert", hidden: "" });
  const inputs = NAMES.map((name) => element("input", { type: "number", step: "any", id: `box-${name}` }));
  const typed = element("details", { class: "typed" }, element("summary", {}, "Box as numbers"), element("p", { class: "quiet" }, "Centre and size in pixels of the crop as the network sees it."), ...NAMES.map((name, n) => element("label", {}, `${name} `, inputs[n])));
  const list = element("div", { class: "templates", role: "group", "aria-label": "Templates known" });
  document.getElementById("choices").after(lacks, element("p", { class: "over", id: "known" }), list, typed);

  const round = (value) => Number(value.toFixed(2));
  function say(text) {
    lacks.textContent = text;
    lacks.hidden = !text;
  }

  /* A box, or a ring where no size is known, in the coordinates of the picture: pixel 0 is .5 wide on each side of its middle. */
  function outline(name, [y, x, height, width]) {
    if (height === undefined) return [svg("circle", { class: `${name} under`, cx: x + 0.5, cy: y + 0.5, r: bounds[0] / 22 }), svg("circle", { class: name, cx: x + 0.5, cy: y + 0.5, r: bounds[0] / 22 })];
    const place = { x: x + 0.5 - width / 2, y: y + 0.5 - height / 2, width, height };
    return [svg("rect", { class: `${name} under`, ...place }), svg("rect", { class: name, ...place })];
  }

  const outlines = () => layer.replaceChildren(...(question.found.length ? outline("found", question.found) : []), ...(box ? outline("drawn", box) : []));
  function draw() {
    outlines();
    inputs.forEach((input, n) => {
      input.value = box ? box[n] : "";
      input.removeAttribute("aria-invalid");
    });
  }

  function from(start, end) {
    const [width, height] = bounds;
    const clamp = (value, most) => Math.min(Math.max(value, 0), most);
    const [x0, x1] = [start.x, end.x].map((value) => clamp(value, width)).sort((a, b) => a - b);
    const [y0, y1] = [start.y, end.y].map((value) => clamp(value, height)).sort((a, b) => a - b);
    return x1 - x0 < LEAST || y1 - y0 < LEAST ? null : [(y0 + y1) / 2 - 0.5, (x0 + x1) / 2 - 0.5, y1 - y0, x1 - x0].map(round);
  }

  function pointed(picture) {
    const place = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());
    let start = null, before = null;
    picture.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      picture.setPointerCapture(event.pointerId);
      [start, before] = [place(event), box];
    });
    picture.addEventListener("pointermove", (event) => {
      if (!start) return;
      box = from(start, place(event)) ?? before;
      draw();
    });
    const end = () => {
      if (start && box) say("");
      start = null;
    };
    picture.addEventListener("pointerup", end);
    picture.addEventListener("pointercancel", end);
  }

  function type() {
    const values = inputs.map((input) => (input.value.trim() === "" ? NaN : Number(input.value)));
    const [width, height] = bounds;
    const fits = values.every(Number.isFinite) && values[2] >= LEAST && values[3] >= LEAST && values[0] >= 0 && values[0] < height && values[1] >= 0 && values[1] < width && values[2] <= height && values[3] <= width;
    box = fits ? values.map(round) : null;
    inputs.forEach((input) => input.setAttribute("aria-invalid", String(!fits)));
    outlines(); // what is typed stays as it is
  }
  for (const input of inputs) input.addEventListener("input", type);

  /* Templates known before and begun here: name, picture and box. */
  function templates() {
    const own = held.questions.filter((one) => begun().includes(one.begins) && answerOf(one)?.choice.begins);
    return [...held.templates, ...own.map((one) => ({ name: one.begins, picture: one.picture, box: answerOf(one).numbers.map(Number) }))];
  }
  const others = () => templates().filter(({ name }) => name !== held.by[question.key] && name !== question.begins);

  function choose(name) {
    chosen = name;
    say("");
    offer();
  }
  function offer() {
    const every = templates();
    document.getElementById("known").textContent = every.length ? "Templates: views of the part that are known" : "No template is known yet";
    list.replaceChildren(...every.map(({ name, picture, box: own }, n) => {
      const [width, height] = bounds;
      const small = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, svg("image", { href: picture, width, height, preserveAspectRatio: "none" }), ...outline("drawn", own));
      const mine = name === held.by[question.key];
      const button = element("button", { type: "button", "data-template": name, "aria-pressed": String(name === chosen), "aria-label": `Template ${n + 1}${mine ? ", by which the part was found here" : ""}` }, small, element("span", {}, mine ? `${n + 1} found here` : `${n + 1}`));
      button.disabled = mine || name === question.begins;
      button.addEventListener("click", () => choose(name));
      return button;
    }));
  }

  return {
    show(to, picture) {
      [question, bounds] = [to, to.size];
      const given = answerOf(question);
      const numbers = (given?.choice.takes ?? []).map((name, n) => [name, Number(given.numbers[n])]);
      const known = Object.fromEntries(numbers);
      box = "y" in known ? NAMES.map((name) => known[name]) : null;
      chosen = "template" in known ? String(known.template) : others().length === 1 ? others()[0].name : null;
      layer = svg("g", { class: "boxes" });
      picture.classList.add("drawable");
      picture.append(layer);
      pointed(picture);
      say("");
      draw();
      offer();
    },
    /* What an answer takes; null, and what is missing is said, where something is. */
    numbers(choice) {
      if (choice.takes.includes("template") && !others().some(({ name }) => name === chosen)) {
        say(others().length ? `Choose the template below first (keys 1 to ${Math.min(templates().length, 9)}).` : "No other template is known; answer New template.");
        return null;
      }
      if (!box) {
        say("Draw a box around the part on the picture first.");
        return null;
      }
      return choice.takes.map((name) => (name === "template" ? chosen : String(box[NAMES.indexOf(name)])));
    },
    keys: Object.fromEntries(Array.from({ length: 9 }, (_, n) => [String(n + 1), () => { const one = templates()[n]; if (one && others().some(({ name }) => name === one.name)) choose(one.name); }])),
  };
};
