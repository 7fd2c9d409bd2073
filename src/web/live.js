// Keeps an open page up to date: fetches it again and swaps its main part, unless a reader is in the middle of it.
"use strict";
const PAUSE_MS = 3000;
const live = document.getElementById("live");

function isBeingRead() {
  const selection = window.getSelection();
  const isFilledIn = [...live.querySelectorAll("input")].some((input) => input.value !== input.defaultValue);
  return (
    document.hidden || (selection && !selection.isCollapsed) || live.contains(document.activeElement) || isFilledIn
  );
}

// Whoever reads by ear, or slowly, can keep the page as it is.
const pause = document.getElementById("pause");
let isPaused = false;
pause.hidden = false;
pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.setAttribute("aria-pressed", String(isPaused));
});

async function refresh() {
  if (isPaused || isBeingRead()) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store", headers: { "X-Live": "1" } });
    // The session has ended: what stands here stays, and says that it is old.
    if (answer.redirected) throw new Error("signed out");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("live");
    if (next && next.innerHTML !== live.innerHTML) live.replaceChildren(...next.childNodes);
    delete document.body.dataset.stale;
  } catch {
    // The node is down or starting: what stands here is old.
    document.body.dataset.stale = "";
  }
}

setInterval(refresh, PAUSE_MS);
