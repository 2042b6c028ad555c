// Copyright: (c) 2026, Lockstep developers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Lets the list follow what is typed, and keeps it fresh. Everything works without it, with a
// click more. No text is ever turned into HTML here: the browser parses the answers of the page's
// own API into documents, of which nodes are taken over (the policy forbids anything else).
"use strict";

(() => {
  const PAUSE = 150; // ms after a key
  const RETRY = 3000; // ms
  const BACKGROUND = "X-Lockstep-Background";
  const search = document.querySelector("form.search");
  const box = document.getElementById("q");
  const announce = document.getElementById("announce");
  const failure = document.getElementById("failure");
  let request = null;
  let timer = 0;
  let pointed = false;
  let leaving = false;
  let shownAt = performance.now();

  const results = () => document.getElementById("results");
  const generation = () => Number(results().dataset.generation);

  function logIn() {
    if (leaving) return; // the session has ended because somebody is on the way to the login
    const here = location.pathname + location.search;
    location.assign("/login?next=" + encodeURIComponent(here));
  }

  document.querySelector("form.account")?.addEventListener("submit", () => {
    leaving = true;
  });

  // -- taking over a new list ----------------------------------------------------------------

  function ticked() {
    return [...document.querySelectorAll("#files input[type=checkbox]:checked")];
  }

  function keyOf(element) {
    return element.id ? "#" + CSS.escape(element.id) : element.name && element.value
      ? `${element.localName}[name="${element.name}"][value="${CSS.escape(element.value)}"]` : "";
  }

  function show(page, told) {
    const fresh = page.getElementById("results");
    if (!fresh) return;
    const old = results();
    const focused = old.contains(document.activeElement) ? keyOf(document.activeElement) : "";
    const kept = new Set(ticked().map((tick) => tick.name + tick.value));
    old.replaceWith(document.adoptNode(fresh));
    failure.hidden = true;
    for (const tick of document.querySelectorAll("#files input[type=checkbox]")) {
      tick.checked = kept.has(tick.name + tick.value);
    }
    if (focused) document.querySelector(focused)?.focus({ preventScroll: true });
    shownAt = performance.now();
    count();
    age();
    if (told) announce.textContent = document.getElementById("count")?.textContent ?? "";
  }

  // What was asked for is not what is shown: nobody may take one for the other.
  function fail() {
    failure.hidden = false;
  }

  function load(query, { background = false, remember = "" } = {}) {
    request?.abort();
    const asked = new XMLHttpRequest();
    request = asked;
    asked.open("GET", "/api/v1/files" + query);
    asked.responseType = "document";
    asked.setRequestHeader("Accept", "text/html");
    if (background) asked.setRequestHeader(BACKGROUND, "1");
    asked.onload = () => {
      if (request !== asked) return;
      request = null;
      if (asked.status === 401) return logIn();
      if (asked.status === 403) return location.reload(); // the page says what is missing
      if (asked.status !== 200 || !asked.response) return fail();
      if (remember === "push") history.pushState(null, "", "/" + query);
      if (remember === "replace") history.replaceState(null, "", "/" + query);
      show(asked.response, !background);
      hiddenFields();
    };
    asked.onerror = () => {
      if (request !== asked) return;
      request = null;
      fail();
    };
    asked.send();
  }

  // What the list is narrowed to goes along when the search is sent without this script.
  function hiddenFields() {
    const now = new URLSearchParams(location.search);
    for (const field of search.querySelectorAll("input[type=hidden]")) field.remove();
    for (const name of ["path", "user", "client", "file", "sort"]) {
      if (!now.get(name)) continue;
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      field.value = now.get(name);
      search.append(field);
    }
  }

  // -- typing and clicking -------------------------------------------------------------------

  function typed() {
    const query = new URLSearchParams(new FormData(search));
    for (const [name, value] of [...query]) if (!value.trim()) query.delete(name);
    load("?" + query, { remember: "replace" });
  }

  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(typed, PAUSE);
  });
  search.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    typed();
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.soft, #newer");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    clearTimeout(timer);
    const query = new URL(link.href).searchParams;
    if (link.matches("#newer, .toggle, thead a")) {
      // What was typed a moment ago may not be in the list yet, to which the link belongs.
      if (box.value.trim()) query.set("q", box.value);
      else query.delete("q");
      load("?" + query, { remember: "replace" });
    } else {
      box.value = query.get("q") ?? "";
      load("?" + query, { remember: "push" });
      if (link.closest(".pager")) document.querySelector(".above").scrollIntoView();
    }
  });

  addEventListener("popstate", () => {
    box.value = new URLSearchParams(location.search).get("q") ?? "";
    load(location.search || "?");
  });

  // -- selecting -----------------------------------------------------------------------------

  function count() {
    const button = document.getElementById("close-selected");
    if (!button) return;
    const number = ticked().length;
    button.disabled = number === 0;
    document.getElementById("picked").textContent = number ? `${number} selected` : "";
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("#files input[type=checkbox]")) count();
  });

  // -- freshness -----------------------------------------------------------------------------

  document.addEventListener("pointerover", (event) => {
    pointed = event.pointerType === "mouse" && event.target.closest?.("#files table") !== null;
  });

  // Nothing moves under the hand of somebody who is about to click.
  function busy() {
    const inTable = document.activeElement?.closest?.("#files table");
    return Boolean(request) || pointed || Boolean(inTable) || ticked().length > 0;
  }

  function age() {
    const text = document.getElementById("age");
    if (!text) return;
    const seconds = Number(text.dataset.seconds) + (performance.now() - shownAt) / 1000;
    const steps = seconds < 5 ? "just now" : seconds < 60
      ? `${Math.floor(seconds / 5) * 5} s ago` : `${Math.floor(seconds / 60)} min ago`;
    text.textContent = "listed " + steps;
  }

  async function follow() {
    for (;;) {
      let pause = 500;
      try {
        const answer = await fetch(`/api/v1/status?after=${generation()}`, {
          headers: { [BACKGROUND]: "1" },
        });
        if (answer.status === 401) return logIn();
        if (answer.status === 403) return location.reload();
        const status = await answer.json();
        // Somebody has logged in anew, in another tab: nothing here is theirs.
        if (answer.ok && status.login !== document.body.dataset.login) return location.reload();
        if (!answer.ok || status.error) pause = RETRY;
        const waiting = document.getElementById("waiting");
        if (status.generation > generation()) {
          const newer = document.getElementById("newer");
          if (waiting || !busy()) load(location.search || "?", { background: true });
          else if (newer) newer.hidden = false;
        } else if (status.error && (waiting || !status.generation)) {
          // There is no list yet, or the account may not see it any more.
          load(location.search || "?", { background: true });
        }
      } catch {
        pause = RETRY;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      while (document.hidden) {
        await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
      }
    }
  }

  count();
  age();
  setInterval(age, 1000);
  follow();
})();
