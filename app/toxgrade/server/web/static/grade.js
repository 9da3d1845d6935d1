// Sends the form as it is typed and shows the grades; without it the button does the same.
const form = document.getElementById("panel");
let waiting = 0;
let newest = 0;

async function grade() {
  const asked = ++newest;
  const body = new URLSearchParams(new FormData(form));
  const answer = await fetch(form.action, { method: "POST", body });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = page.getElementById("answer");
  if (asked !== newest || !found) return; // a later one is on its way
  document.getElementById("answer").replaceChildren(...found.childNodes);
  for (const field of form.elements) {
    if (page.getElementById(field.id)?.getAttribute("aria-invalid")) {
      field.setAttribute("aria-invalid", "true");
    } else {
      field.removeAttribute("aria-invalid");
    }
  }
}

document.getElementById("submit").hidden = true;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(grade, 200);
});
