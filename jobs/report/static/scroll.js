"use strict";
/* What is wider than its place fades where there is more to scroll to. */
for (const place of document.querySelectorAll(".scroll")) {
  const mark = () => {
    const right = place.scrollLeft + place.clientWidth < place.scrollWidth - 1;
    place.dataset.more = [place.scrollLeft > 1 ? "left" : "", right ? "right" : ""].join(" ").trim();
  };
  place.addEventListener("scroll", mark, { passive: true });
  const sizes = new ResizeObserver(mark);
  sizes.observe(place);
  if (place.firstElementChild) sizes.observe(place.firstElementChild);
}
