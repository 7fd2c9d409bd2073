// Goes through the slices of a volume: by the slider, by the keys it has anyway, and by the mouse wheel over the image.
"use strict";
for (const viewer of document.querySelectorAll("[data-slices]")) {
  const image = viewer.querySelector("img");
  const label = viewer.querySelector("label");
  const slider = viewer.querySelector("input[type=range]");
  const output = viewer.querySelector("output");
  const plane = image.dataset.plane;
  let isLoading = false;
  let isBehind = false;

  function show() {
    const words = `${plane[0].toUpperCase()}${plane.slice(1)} ${slider.value} / ${slider.max}`;
    output.textContent = words;
    slider.setAttribute("aria-valuetext", words);
    // One picture on its way at a time; the latest wish is what counts.
    if (isLoading) {
      isBehind = true;
      return;
    }
    isLoading = true;
    image.alt = `${words}, with the segments found`;
    image.src = `${viewer.dataset.slices}&plane=${plane}&index=${slider.value - 1}`;
  }

  function loaded() {
    isLoading = false;
    if (isBehind) {
      isBehind = false;
      show();
    }
  }

  image.addEventListener("load", loaded);
  image.addEventListener("error", loaded);
  slider.addEventListener("input", show);
  image.addEventListener("wheel", (event) => {
    event.preventDefault();
    slider.value = Number(slider.value) + Math.sign(event.deltaY);
    show();
  }, { passive: false });
  label.hidden = false;
}
