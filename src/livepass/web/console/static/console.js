// Keeps a page up to date: the service says that something moved, and the page fetches itself again. Without it, pages
// are as they were loaded. Nothing else is done by script.
"use strict";
(() => {
  const live = document.getElementById("live");
  const main = document.getElementById("main");
  if (!live || !main || !window.EventSource) return;
  // A page of our own, which this very origin has drawn and escaped.
  const policy = window.trustedTypes?.createPolicy("livepass", { createHTML: (text) => text }) ?? { createHTML: (text) => text };
  const base = document.querySelector(".brand").getAttribute("href");
  let again = false;
  let busy = false;

  // Whoever is about to fill something in, has opened a detail or selects text is not disturbed.
  const inUse = () =>
    main.contains(document.activeElement) && document.activeElement !== main ||
    main.querySelector("details[open]") !== null || String(document.getSelection()) !== "" || document.hidden;

  const refresh = async () => {
    if (busy || inUse()) { again = true; return; }
    busy = true;
    again = false;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(policy.createHTML(await answer.text()), "text/html");
      const fresh = page.getElementById("main");
      if (fresh && !inUse()) {
        // What was said once, of what somebody just did, is in no page that is fetched again.
        main.replaceChildren(...main.querySelectorAll(":scope > p.said"), ...fresh.childNodes);
        live.textContent = "Up to date, follows changes";
      }
    } catch {
      live.textContent = "This page could not be brought up to date; load it again";
    } finally {
      busy = false;
    }
  };

  const events = new EventSource(base + "live");
  // A stream may end and be asked for again at once: nobody is told of that.
  let connected = false;
  let lost = 0;
  const disconnected = () => {
    lost = 0;
    if (live.textContent && !connected) return;
    connected = false;
    live.textContent = "Not connected: this page does not follow changes";
  };
  events.addEventListener("open", () => {
    clearTimeout(lost);
    lost = 0;
    if (!connected) live.textContent = "Follows changes";
    connected = true;
  });
  events.addEventListener("moved", refresh);
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) disconnected();
    else lost ||= setTimeout(disconnected, 3000);
  });
  setInterval(() => { if (again || main.querySelector("[data-age]")) refresh(); }, 5000);
})();
