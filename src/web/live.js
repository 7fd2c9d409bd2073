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

async function refresh() {
  if (isBeingRead()) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
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
