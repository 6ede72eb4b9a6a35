// Values at the pointer, at a finger or by arrow keys, the same moment on all charts; a span that is dragged is gone to.
// Everything is read from the tables under the charts: without this script nothing is missing but convenience.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const LEAST_DRAG = 12; // pixels: less is a click
  const charts = new Map(); // svg -> what is known of it

  function known(svg) {
    let one = charts.get(svg);
    if (one) return one;
    const figure = svg.closest("figure");
    const [began, ended, step, left, right] = ["began", "ended", "step", "left", "right"].map((key) => +svg.dataset[key]);
    const reading = document.createElement("p");
    reading.className = "reading";
    const cross = document.createElementNS(SVG, "path");
    cross.setAttribute("class", "cross");
    const chosen = document.createElementNS(SVG, "path");
    chosen.setAttribute("class", "chosen");
    const box = svg.viewBox.baseVal;
    svg.append(chosen, cross);
    svg.after(reading);
    svg.setAttribute("tabindex", "0");
    one = { svg, figure, began, ended, step, left, right, reading, cross, chosen, box, bottom: box.height - 200 };
    charts.set(svg, one);
    return one;
  }

  function rowsOf(one) {
    const table = one.figure.querySelector("table");
    one.heads ??= [...table.tHead.rows[0].cells].slice(1).map((cell) => {
      const [, name, unit] = cell.textContent.match(/^(.*?)(?: \(([^()]*)\))?$/); // "p95 (ms)"
      return [name, unit ? ` ${unit}` : ""];
    });
    one.rows ??= table.tBodies[0].rows;
    return one.rows;
  }

  const x = (one, at) => one.left + ((at - one.began) / (one.ended - one.began)) * (one.right - one.left);

  function timeAt(one, event) {
    const place = one.svg.getBoundingClientRect();
    const inside = ((event.clientX - place.left) / place.width) * one.box.width;
    const share = Math.min(Math.max((inside - one.left) / (one.right - one.left), 0), 1);
    return one.began + share * (one.ended - one.began);
  }

  function show(one, at) {
    const rows = rowsOf(one);
    const place = Math.min(Math.max(Math.floor((at - one.began) / one.step), 0), rows.length - 1);
    const cells = rows[place] ? [...rows[place].cells].map((cell) => cell.textContent) : [];
    const middle = Math.min(one.began + (place + 0.5) * one.step, one.ended);
    one.place = place;
    one.cross.setAttribute("d", `M${Math.round(x(one, middle))} 150V${one.bottom}`);
    one.reading.textContent = cells.length
      ? `${cells[0]}: ${one.heads.map(([name, unit], n) => `${name} ${cells[n + 1]}${unit}`).join(", ")}`
      : "";
  }

  function all() {
    for (const svg of charts.keys()) if (!svg.isConnected) charts.delete(svg);
    return [...document.querySelectorAll("figure.chart > svg.chart")].filter((svg) => svg.dataset.step).map(known);
  }

  function showAll(source, at) {
    for (const one of all()) if (one.began === source.began && one.ended === source.ended) show(one, at);
  }

  function hideAll() {
    for (const one of charts.values()) {
      one.cross.removeAttribute("d");
      one.chosen.removeAttribute("d");
      one.reading.textContent = "";
    }
  }

  function goTo(from, to) {
    const address = new URL(location.href);
    address.searchParams.delete("span");
    address.searchParams.set("from", Math.floor(from));
    address.searchParams.set("to", Math.ceil(to));
    location.assign(address);
  }

  const chartOf = (event) => {
    const svg = event.target.closest?.("figure.chart > svg.chart");
    return svg && svg.dataset.step ? known(svg) : null;
  };
  let drag = null; // where a span begins

  document.addEventListener("pointermove", (event) => {
    const one = drag ? drag.one : chartOf(event);
    if (!one) return;
    const at = timeAt(one, event);
    showAll(one, at);
    if (drag && Math.abs(event.clientX - drag.x) >= LEAST_DRAG) {
      const [from, to] = [drag.at, at].sort((a, b) => a - b).map((one_at) => Math.round(x(one, one_at)));
      one.chosen.setAttribute("d", `M${from} 150H${to}V${one.bottom}H${from}z`);
    }
  });
  document.addEventListener("pointerdown", (event) => {
    const one = chartOf(event);
    if (!one || event.button || event.target.closest("a")) return;
    drag = { one, at: timeAt(one, event), x: event.clientX };
    showAll(one, drag.at);
    if (event.pointerType === "mouse") event.preventDefault(); // no text is chosen on the way
  });
  document.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const { one, at, x: from } = drag;
    drag = null;
    if (Math.abs(event.clientX - from) < LEAST_DRAG) return;
    const [first, last] = [at, timeAt(one, event)].sort((a, b) => a - b);
    if (last - first >= one.step) goTo(first, last);
    else one.chosen.removeAttribute("d");
  });
  document.addEventListener("pointercancel", () => {
    drag = null;
    hideAll();
  });
  document.addEventListener("pointerout", (event) => {
    if (!drag && event.pointerType === "mouse" && chartOf(event) && !event.relatedTarget?.closest?.("svg.chart")) hideAll();
  });
  document.addEventListener("focusin", (event) => {
    const one = chartOf(event);
    for (const other of charts.values()) other.reading.setAttribute("aria-live", other === one ? "polite" : "off");
  });
  document.addEventListener("focusout", (event) => {
    if (chartOf(event)) hideAll();
  });
  document.addEventListener("keydown", (event) => {
    const one = chartOf(event);
    if (!one || event.target !== one.svg || event.altKey || event.ctrlKey || event.metaKey) return;
    const last = rowsOf(one).length - 1;
    const place = one.cross.hasAttribute("d") ? one.place : last + 1;
    const far = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: place - far, ArrowRight: place + far, Home: 0, End: last }[event.key];
    if (event.key === "Escape") hideAll();
    if (to === undefined) return;
    event.preventDefault();
    showAll(one, one.began + (Math.min(Math.max(to, 0), last) + 0.5) * one.step);
  });

  const prepare = () => all();
  // Charts that come later, by a live update, are made ready when they are met; their place in the tab order at once.
  new MutationObserver(prepare).observe(document.documentElement, { childList: true, subtree: true });
  prepare();
})();
