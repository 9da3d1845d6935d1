// Asks for the page again every second until the upload has ended, and shows what has changed.
async function look() {
  const shown = document.getElementById("progress");
  if ("ended" in shown.dataset) return;
  try {
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const now = page.getElementById("progress");
    if (now && now.innerHTML !== shown.innerHTML) shown.replaceWith(now);
  } catch {
    // the service is away for the moment: the next look may find it
  }
  setTimeout(look, 1000);
}
setTimeout(look, 1000);
