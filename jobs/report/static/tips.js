"use strict";
/* What a number is, in a tip for whoever points at it or its name, reaches that by keyboard, or touches it: their `title`. */
(() => {
  const NAMES = "th[title], dt[title], abbr[title], .badge[title], .term[title], [data-says]:not(form)";
  const [WAIT, LINGER] = [350, 150]; // milliseconds until a tip comes and goes
  const tip = document.createElement("div");
  Object.assign(tip, { id: "tip", className: "tip", hidden: true });
  tip.setAttribute("role", "tooltip");
  document.body.append(tip);
  let shown = null;
  let timer = 0;

  for (const name of document.querySelectorAll("th[title], dt[title], abbr[title]")) {
    if (!name.querySelector("a, button") && !name.closest("a, button, summary")) name.tabIndex = 0;
  }

  /* What names the number at a place of the page: itself, the heading of its column, or the term that it describes. */
  function named(place) {
    const own = place.closest(NAMES);
    if (own) return own;
    const cell = place.closest("td");
    if (cell) return cell.closest("table").tHead?.rows[0].cells[cell.cellIndex]?.closest(NAMES);
    const fact = place.closest("dd");
    return fact ? fact.parentElement.querySelector(":scope > dt:only-of-type")?.closest(NAMES) || fact.previousElementSibling?.closest(NAMES) : null;
  }

  function show(name, place) {
    clearTimeout(timer);
    if (shown && shown !== name) hide();
    if (name.title) { name.dataset.says = name.title; name.removeAttribute("title"); } // or the browser shows it as well
    shown = name;
    name.setAttribute("aria-describedby", "tip");
    tip.textContent = name.dataset.says;
    tip.hidden = false;
    const [at, size, wide] = [place.getBoundingClientRect(), tip.getBoundingClientRect(), document.documentElement.clientWidth];
    tip.style.left = `${Math.max(8, Math.min(at.left, wide - size.width - 8))}px`;
    tip.style.top = `${at.bottom + 6 + size.height < window.innerHeight ? at.bottom + 6 : Math.max(8, at.top - size.height - 6)}px`;
  }

  function hide() {
    clearTimeout(timer);
    shown?.removeAttribute("aria-describedby");
    shown = null;
    tip.hidden = true;
  }

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    clearTimeout(timer);
    if (tip.contains(event.target)) return; // a tip can be pointed at, to be read at length
    const name = named(event.target);
    if (!name) timer = setTimeout(hide, LINGER);
    else if (name !== shown) timer = setTimeout(() => show(name, event.target), WAIT);
  });
  document.addEventListener("focusin", (event) => {
    if (!event.target.matches(":focus-visible")) return; // a touch focuses, too
    const name = event.target.closest("th, dt, abbr, .term")?.closest(NAMES);
    if (name) show(name, event.target); else hide();
  });
  document.addEventListener("pointerup", (event) => {
    const name = event.pointerType === "touch" && !event.target.closest("a") && named(event.target);
    if (name && name !== shown) show(name, event.target); else if (event.pointerType === "touch") hide();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  document.addEventListener("scroll", () => { if (shown) hide(); }, { passive: true, capture: true });
})();
