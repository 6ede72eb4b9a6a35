// Keeps a page in step with what happens, in the zone of the browser. Without this script the pages stand still.
"use strict";
(() => {
  const root = document.documentElement;

  function cookie(name) {
    const found = document.cookie.split("; ").find((one) => one.startsWith(`${name}=`));
    return found === undefined ? undefined : found.slice(name.length + 1);
  }

  // The zone: the server shows times in it from the next page on; the first page is asked for once more.
  function tellZone() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!zone || cookie("tz") === zone) return;
    document.cookie = `tz=${zone}; path=/; max-age=31536000; samesite=strict`;
    if (!document.getElementById("open") && cookie("tz") === zone) location.reload();
  }

  // A one-time link: taken at once, but never by a browser that only looks ahead.
  function takeLink() {
    const form = document.getElementById("open");
    if (!form) return;
    const take = () => form.requestSubmit();
    if (document.prerendering) document.addEventListener("prerenderingchange", take, { once: true });
    else take();
  }

  // How long ago: the words of the server's own (clocks.since).
  function span(seconds) {
    if (seconds < 60) return `${Math.floor(seconds / 5) * 5} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min`;
    if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
    return `${Math.floor(minutes / 1440)} d ${Math.floor(minutes / 60) % 24} h`;
  }

  function ageTimes() {
    for (const one of document.querySelectorAll("time.ago, time.lasting")) {
      const seconds = Math.max(0, (Date.now() - Date.parse(one.dateTime)) / 1000);
      const text = one.className === "lasting" ? span(seconds) : seconds < 5 ? "now" : `${span(seconds)} ago`;
      if (one.textContent !== text) one.textContent = text;
    }
  }

  const held = new Map(); // parts that somebody is selecting text in, by their id

  function isHeld(part) {
    const selection = getSelection();
    return selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  }

  function key(element) {
    if (!element) return null;
    if (element.id) return `#${CSS.escape(element.id)}`;
    if (element.getAttribute("href")) return `a[href="${CSS.escape(element.getAttribute("href"))}"]`;
    const label = element.getAttribute("aria-label");
    return label ? `[aria-label="${CSS.escape(label)}"]` : null;
  }

  // What tells one details element from the others of a part, also once it was replaced.
  function place(details) {
    return details.id || `${details.closest("[id]").id} ${details.querySelector("summary")?.textContent}`;
  }

  function put(id, html) {
    const part = document.getElementById(id);
    if (!part) return;
    if (isHeld(part)) {
      held.set(id, html);
      return;
    }
    held.delete(id);
    const focused = part.contains(document.activeElement) ? key(document.activeElement) : null;
    const open = new Map([...part.querySelectorAll("details")].map((one) => [place(one), one.open]));
    const scrolled = [...part.querySelectorAll(".scroll, .log")].map((one) => [key(one), one.scrollLeft, one.scrollTop]);
    const box = document.createElement("template");
    box.innerHTML = html;
    part.replaceChildren(box.content);
    for (const one of part.querySelectorAll("details")) {
      if (open.has(place(one))) one.open = open.get(place(one));
    }
    for (const [name, left, top] of scrolled) {
      const one = name && part.querySelector(name);
      if (one) one.scrollTo(left, top);
    }
    if (focused) part.querySelector(focused)?.focus({ preventScroll: true });
    part.dispatchEvent(new CustomEvent("pawl:replaced", { bubbles: true }));
  }

  function showState(state, text) {
    const place = document.getElementById("live-state");
    if (!place || place.dataset.state === state) return;
    place.dataset.state = state;
    place.textContent = text;
  }

  // The stream: open while the page is seen, for a browser opens six connections to one server and no more.
  let stream = null;
  let retry = 0;

  function follow() {
    if (stream || document.hidden) return;
    stream = new EventSource(`/live?page=${encodeURIComponent(root.dataset.live)}`);
    stream.addEventListener("hello", (event) => {
      if (JSON.parse(event.data).build !== root.dataset.build) location.reload();
      else showState("live", "live");
    });
    stream.addEventListener("stale", () => showState("lost", "not live, trying again"));
    stream.addEventListener("fresh", () => showState("live", "live"));
    stream.onmessage = (event) => {
      for (const [id, html] of Object.entries(JSON.parse(event.data).fragments)) put(id, html);
    };
    stream.onerror = () => {
      showState("lost", "not live, trying again");
      if (stream && stream.readyState === EventSource.CLOSED) { // refused: signed out, or pawld is starting
        leave();
        clearTimeout(retry);
        retry = setTimeout(follow, 5000 + Math.random() * 5000);
      }
    };
  }

  function leave() {
    stream?.close();
    stream = null;
  }

  const READING_MS = 8000;
  let touched = 0; // when somebody last moved a pointer or pressed a key

  // Parts that are asked for anew every so often, because they are too large to be sent to everybody.
  async function renew(part) {
    const isRead = part.matches(":hover") || part.contains(document.activeElement);
    if (document.hidden || isHeld(part) || (isRead && Date.now() - touched < READING_MS)) return;
    try {
      const answer = await fetch(part.dataset.renew, { headers: { Accept: "text/html" } });
      if (answer.ok) put(part.id, await answer.text());
    } catch {
      // the next time
    }
  }

  for (const kind of ["pointermove", "pointerdown", "keydown"]) {
    addEventListener(kind, () => (touched = Date.now()), { passive: true });
  }
  tellZone();
  takeLink();
  setInterval(() => {
    ageTimes();
    for (const [id, html] of [...held]) put(id, html);
  }, 5000);
  for (const part of document.querySelectorAll("[data-renew]")) {
    setInterval(() => renew(part), 1000 * Number(part.dataset.every || 60));
  }
  if (root.dataset.live && "EventSource" in window) {
    follow();
    document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));
    addEventListener("pagehide", leave);
    addEventListener("pageshow", follow);
  }
})();
