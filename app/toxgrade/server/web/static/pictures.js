// Draws each picture at the width there is, in the page's own colours; a dot leads to its patient.
// Vega's expressions are interpreted (ast), for the page allows no code made from text.
async function draw(place) {
  const width = Math.round(Math.min(960, Math.max(280, place.clientWidth)));
  const answer = await fetch(`${place.dataset.spec}&width=${width}`);
  if (!answer.ok) {
    place.textContent = "The picture cannot be drawn now.";
    return;
  }
  const { view } = await vegaEmbed(place, await answer.json(), {
    actions: false,
    ast: true,
    defaultStyle: false,
    renderer: "svg",
    tooltip: { disableDefaultStyle: true },
  });
  view.addEventListener("click", (_, item) => {
    const patient = item?.datum?.patient;
    if (patient && place.dataset.patients) {
      location.assign(place.dataset.patients + encodeURIComponent(patient));
    }
  });
  for (const nameless of place.querySelectorAll("[role=graphics-symbol]:not([aria-label])")) {
    nameless.removeAttribute("role"); // a screen reader would announce a symbol and say nothing
    nameless.removeAttribute("aria-roledescription");
  }
  place.dataset.drawn = "";
}

for (const place of document.querySelectorAll(".picture")) {
  draw(place);
}
