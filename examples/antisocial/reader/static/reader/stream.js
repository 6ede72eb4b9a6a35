"use strict";

// The list of entries by keyboard and by touch. The page works without any of this; README.md has the keys.
(() => {
  const POLL_MS = 30_000;
  const HEADER_PX = 56; // sticks to the top and covers what is below it
  const list = document.querySelector("[data-stream]");
  if (!list) return;
  const status = document.querySelector("#status");
  const help = document.querySelector("#keys");
  const news = document.querySelector("#news");
  const unreadCount = document.querySelector("#unread");
  const isUnreadStream = list.dataset.stream === "unread";
  const undoable = []; // each is a list of {article, what, isOn}
  const inView = new Set();
  let current = null;
  let loading = null; // the page that is on its way
  let moving = Promise.resolve();

  const marks = new Marks({
    url: list.dataset.marks,
    token: document.querySelector("[name=csrfmiddlewaretoken]").value,
    owner: list.dataset.owner,
    say: (text) => { document.querySelector("#trouble").textContent = text; },
  });

  const articles = () => [...list.querySelectorAll("article")];
  const say = (text) => { status.textContent = text; };
  const title = (article) => article.querySelector(".title").textContent.trim();

  // --- marking ---

  function show(article, what, isOn) {
    article.classList.toggle(what === "read" ? "is-read" : "is-starred", isOn);
    const button = article.querySelector(`button[data-what="${what}"]`);
    button.name = (isOn ? "un" : "") + what;
    button.textContent = button.dataset[isOn ? "on" : "off"];
  }

  const isOn = (article, what) => article.classList.contains(what === "read" ? "is-read" : "is-starred");

  function count(by) {
    const now = Math.max(0, Number(unreadCount.dataset.count) + by);
    unreadCount.dataset.count = now;
    unreadCount.textContent = now || "";
  }

  function change(article, what, on) {
    if (isOn(article, what) === on) return false;
    show(article, what, on);
    marks.set(article.dataset.id, what, on);
    if (what === "read") count(on ? -1 : 1);
    return true;
  }

  // Changes articles and lets it be undone as one.
  function act(changed, what, on) {
    const done = changed.filter((article) => change(article, what, on));
    if (done.length) undoable.push(done.map((article) => ({ article, what, isOn: on })));
    return done;
  }

  // By the reader's own hand: passing it does not change it again.
  function toggle(article, what) {
    const on = !isOn(article, what);
    if (what === "read" && !on) article.dataset.kept = "";
    act([article], what, on);
    say(`${{ read: on ? "Read" : "Unread", star: on ? "Starred" : "Not starred" }[what]}: ${title(article)}`);
  }

  // Read because the reader went on to the next one.
  const pass = (passed) => act(passed.filter((article) => isUnreadStream && !("kept" in article.dataset)), "read", true);

  function undo() {
    const last = undoable.pop();
    if (!last) return say("Nothing to undo.");
    for (const { article, what, isOn: on } of last) {
      if (what === "read") article.dataset.kept = "";
      change(article, what, !on);
    }
    select(last[0].article);
    return say(last.length === 1 ? `Undone: ${title(last[0].article)}` : `Undone for ${last.length} entries.`);
  }

  // --- moving ---

  function select(article) {
    current?.removeAttribute("aria-current");
    current = article;
    article.setAttribute("aria-current", "true");
    article.focus({ preventScroll: true });
    article.scrollIntoView({ block: "start" });
  }

  function isSeen(article) {
    const { top, bottom } = article.getBoundingClientRect();
    return bottom > HEADER_PX && top < innerHeight;
  }

  // One after the other: a step that has to wait for more entries is not lost, nor are those after it.
  function move(step) {
    moving = moving.catch(() => {}).then(() => go(step));
  }

  async function go(step) {
    const all = articles();
    if (!all.length) return;
    if (!current || !isSeen(current)) {
      select(all.find(isSeen) ?? all[0]); // the page was scrolled by hand
      return;
    }
    const at = all.indexOf(current) + step;
    if (step > 0) pass([current]);
    if (at < all.length || (await loadMore())) select(articles()[Math.max(0, at)]);
    else document.querySelector("#end").scrollIntoView({ block: "start" });
  }

  const passing = new IntersectionObserver((changes) => {
    const passed = [];
    for (const { target, isIntersecting, boundingClientRect, rootBounds } of changes) {
      if (isIntersecting) inView.add(target);
      else if (inView.delete(target) && boundingClientRect.bottom <= rootBounds.top) passed.push(target);
    }
    pass(passed);
  }, { rootMargin: `-${HEADER_PX}px 0px 0px 0px` });

  // --- reading ---

  async function open(article) {
    const content = article.querySelector(".content");
    if (!content.hidden) return close(article);
    if (!content.dataset.loaded) {
      try {
        const answer = await fetch(article.querySelector(".more").href, { headers: { "X-Requested-With": "fetch" } });
        if (!answer.ok) throw new Error(String(answer.status));
        content.innerHTML = await answer.text(); // sanitised by the server when it was stored
        content.dataset.loaded = "yes";
      } catch {
        return say("The entry cannot be loaded now.");
      }
    }
    unfold(article, true);
    return act([article], "read", true);
  }

  const close = (article) => unfold(article, false);

  function unfold(article, isOpen) {
    const more = article.querySelector(".more");
    article.querySelector(".content").hidden = !isOpen;
    article.classList.toggle("is-open", isOpen);
    more.textContent = more.dataset[isOpen ? "on" : "off"];
    select(article);
  }

  function openLink(article) {
    const link = article.querySelector(".title a");
    if (!link?.href) return say("This entry has no link.");
    act([article], "read", true);
    return window.open(link.href, "_blank", "noopener,noreferrer");
  }

  // --- more and new ---

  function watch(added) {
    for (const article of added) {
      for (const what of ["read", "star"]) {
        const waiting = marks.get(article.dataset.id, what);
        if (waiting !== undefined && isOn(article, what) !== waiting) show(article, what, waiting);
      }
      passing.observe(article);
    }
  }

  // True if there was more.
  function loadMore() {
    loading ??= load().finally(() => { loading = null; });
    return loading;
  }

  async function load() {
    const link = document.querySelector("a[rel=next]");
    if (!link) return false;
    try {
      const answer = await fetch(link.href);
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const known = new Set(articles().map((article) => article.id));
      const added = [...page.querySelectorAll("[data-stream] article")].filter((article) => !known.has(article.id));
      list.append(...added.map((article) => document.importNode(article, true)));
      watch(articles().slice(-added.length || Infinity));
      const next = page.querySelector("a[rel=next]");
      if (next) link.href = next.getAttribute("href");
      else link.remove();
      return added.length > 0;
    } catch {
      say("More entries cannot be loaded now.");
      return false;
    }
  }

  async function lookForNews() {
    if (document.hidden) return;
    try {
      const answer = await fetch(`${list.dataset.news}?since=${list.dataset.newest}`);
      const { fresh } = answer.ok && !answer.redirected ? await answer.json() : { fresh: 0 };
      news.hidden = !fresh;
      const text = `${fresh} new`;
      if (!fresh || news.textContent === text) return;
      news.textContent = text;
      say(`${text}: press r to see them.`);
    } catch { /* asked again soon */ }
  }

  async function reload() {
    await marks.flush();
    location.assign(list.dataset.top);
  }

  // --- wiring ---

  const keys = {
    j: (event) => event.repeat && loading || move(1), // a key that is held does not run through what comes unseen
    k: () => move(-1),
    o: () => current && openLink(current),
    m: () => current && toggle(current, "read"),
    s: () => current && toggle(current, "star"),
    u: undo,
    r: reload,
    "?": () => help.showModal(),
    "/": () => location.assign(list.dataset.search),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || help.open) return;
    if (event.target.closest("input, textarea, select")) return;
    const isOpening = event.key === "Enter" && event.target === current;
    const action = isOpening ? () => open(current) : keys[event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });

  list.addEventListener("click", (event) => {
    const article = event.target.closest("article");
    if (!article) return;
    const button = event.target.closest("button[data-what]");
    if (button) {
      event.preventDefault();
      toggle(article, button.dataset.what);
    } else if (event.target.closest(".more, .summary")) {
      event.preventDefault();
      open(article);
    } else if (event.target.closest(".title a")) {
      act([article], "read", true);
    }
  });

  list.addEventListener("auxclick", (event) => {
    if (event.button === 1 && event.target.closest(".title a")) act([event.target.closest("article")], "read", true);
  });

  list.addEventListener("focusin", (event) => {
    const article = event.target.closest("article");
    if (!article || article === current) return;
    current?.removeAttribute("aria-current");
    current = article;
    article.setAttribute("aria-current", "true");
  });

  document.documentElement.classList.add("has-script");
  document.querySelector("#help").hidden = false;
  document.querySelector("#help").addEventListener("click", () => help.showModal());
  news.addEventListener("click", (event) => { event.preventDefault(); reload(); });
  history.scrollRestoration = "manual"; // a reloaded stream is another one: entries must not be passed unseen
  watch(articles());
  const more = document.querySelector("a[rel=next]");
  if (more) new IntersectionObserver(([at]) => at.isIntersecting && loadMore(), { rootMargin: "1500px" }).observe(more);
  if (isUnreadStream) setInterval(lookForNews, Number(list.dataset.pollMs) || POLL_MS);
  document.addEventListener("visibilitychange", () => isUnreadStream && lookForNews());
})();
