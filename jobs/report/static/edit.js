"use strict";
/* What the nodes that are left find on the annotated crops, each by the templates of the others, as `Retrieved.locate_annotated`
   finds it: recomputed at every decision. */
(() => {
  const { votes: held } = JSON.parse(document.getElementById("held").textContent);
  const { element, svg } = dom;
  const [height, width] = held.extent;

  const stamp = new Float64Array((2 * held.reach + 1) ** 2);
  for (let y = -held.reach, at = 0; y <= held.reach; y += 1) {
    for (let x = -held.reach; x <= held.reach; x += 1, at += 1) stamp[at] = Math.max(Math.exp(-Math.hypot(y, x) / held.fall) - Math.exp(-held.reach / held.fall), 0);
  }

  /* The first pixel where most votes come together; null without votes. */
  function tally(votes) {
    const board = new Float64Array(height * width);
    for (const [y, x] of votes) {
      for (let i = Math.max(0, y - held.reach); i < Math.min(height, y + held.reach + 1); i += 1) {
        for (let j = Math.max(0, x - held.reach); j < Math.min(width, x + held.reach + 1); j += 1) board[i * width + j] += stamp[(i - y + held.reach) * (2 * held.reach + 1) + j - x + held.reach];
      }
    }
    let best = -1;
    board.forEach((sum, at) => { if (sum > (best < 0 ? 0 : board[best])) best = at; });
    return best < 0 ? null : [Math.floor(best / width), best % width];
  }

  function found(crop, removed) {
    const answers = crop.templates.map((template) => {
      const left = template.nodes.map((_, n) => n).filter((n) => !removed.has(template.nodes[n]));
      const votes = left.map((n) => template.votes[n]).filter((vote) => vote !== null);
      const score = left.length ? left.reduce((sum, n) => sum + template.scores[n], 0) / left.length : -Infinity;
      return { place: tally(votes) ?? template.centre, score, votes };
    });
    const best = Math.max(...answers.map((answer) => answer.score));
    const weights = answers.map(({ score }) => (best === -Infinity ? 1 : Math.exp(held.sharpness * (score - best))));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const place = [0, 1].map((axis) => answers.reduce((sum, answer, n) => sum + weights[n] * answer.place[axis], 0) / total);
    return { place, votes: answers.flatMap((answer) => answer.votes) };
  }

  const off = (crop, place) => Math.hypot(place[0] - crop.centre[0], place[1] - crop.centre[1]) / held.diagonal;
  const measured = held.crops.length > 1;
  const before = measured ? held.crops.map((crop) => found(crop, new Set()).place) : [];
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  const error = element("p", { id: "error" });
  const crops = element("div", { class: "crops" });
  const section = element("section", { class: "votes", "aria-label": "Votes on the annotated crops" }, element("h2", {}, "On the annotated crops"), error, crops);
  document.querySelector(".progress").before(section);

  function drawn(crop, n, now) {
    const dot = (name, [y, x], r) => svg("circle", { class: name, cx: x, cy: y, r });
    const said = `Annotated crop ${n + 1}: ${off(crop, before[n]).toFixed(3)} before, ${off(crop, now.place).toFixed(3)} now`;
    return element("figure", {}, svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said }, svg("image", { href: crop.picture, width, height, preserveAspectRatio: "none" }), ...now.votes.map((vote) => dot("vote", vote, width / 90)), dot("truth", crop.centre, width / 18), dot("was", before[n], width / 28), dot("is", now.place, width / 45)), element("figcaption", {}, said));
  }

  document.addEventListener("answers", ({ detail: { given } }) => {
    if (!measured) {
      error.textContent = "One annotated crop has no others to find the part by; --shots 2 or more shows votes.";
      return;
    }
    const removed = new Set(given.filter(([, answer]) => answer === held.remove).map(([key]) => key));
    const now = held.crops.map((crop) => found(crop, removed));
    const [was, is] = [before, now.map((one) => one.place)].map((places) => mean(held.crops.map((crop, n) => off(crop, places[n]))));
    error.textContent = `Error: ${is.toFixed(4)} now, ${was.toFixed(4)} before, in diagonals; every crop by the templates of the others. Ring: the part. Circle: found before. Dot: found now. Small: votes.`;
    crops.replaceChildren(...held.crops.map((crop, n) => drawn(crop, n, now[n])));
  });
})();
