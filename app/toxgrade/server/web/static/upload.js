// Files dropped on a field become its files; how much was sent is told until the upload's own page opens.
const form = document.getElementById("upload");
const sent = document.getElementById("sent");

for (const zone of form.querySelectorAll(".drop")) {
  const field = zone.querySelector("input");
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files.length) field.files = event.dataTransfer.files;
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const request = new XMLHttpRequest();
  const button = form.querySelector("button");
  request.upload.addEventListener("progress", (step) => {
    sent.textContent = `Sent ${Math.round((100 * step.loaded) / step.total)} %`;
  });
  request.addEventListener("load", () => {
    if (request.status === 200) {
      location.assign(request.responseURL);
      return;
    }
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    sent.textContent = page.querySelector("main p")?.textContent ?? "It was not accepted.";
    button.disabled = false;
  });
  request.addEventListener("error", () => {
    sent.textContent = "The upload broke off; nothing of it is kept.";
    button.disabled = false;
  });
  request.open("POST", form.action);
  button.disabled = true;
  request.send(new FormData(form));
});
