// Keeps the status page current, and says so when it no longer is.
const stale = document.getElementById("stale");
let answeredAt = Date.now();

function tell() {
  const time = document.querySelector("time[data-at]");
  const seconds = Math.round((Date.now() - answeredAt) / 1000);
  time.textContent = seconds < 2 ? "just now" : `${seconds} s ago`;
}

async function refresh() {
  try {
    const answer = await fetch("/status", { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.redirected || answer.status === 401 || answer.status === 403) {
      location.assign("/status/sign-in");
      return;
    }
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.getElementById("status").replaceWith(page.getElementById("status"));
    document.title = page.title;
    answeredAt = Date.now();
    stale.hidden = true;
  } catch (error) {
    const seconds = Math.round((Date.now() - answeredAt) / 1000);
    stale.textContent = `The API has not answered for ${seconds} s: what stands below is old.`;
    stale.hidden = false;
    document.title = "Shrike: no answer";
  }
  tell();
}

const interval = Number(document.getElementById("status").dataset.refresh) * 1000;
setInterval(tell, 1000);
(async function () {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, interval));
    if (!document.hidden) await refresh();
  }
})();
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
