// Shows only what contains the words typed into a search field.
for (const field of document.querySelectorAll("input[data-filter]")) {
  const all = [...document.querySelectorAll(field.dataset.filter)].map((element) => ({
    element,
    text: `${element.textContent} ${element.dataset.words}`.toLowerCase(),
  }));
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const { element, text } of all) {
      element.hidden = !words.every((word) => text.includes(word));
    }
  });
}
