// Takes the secret of a link out of the address, where neither servers nor the history keep it, and signs in with it.
const link = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

if (link) {
  const message = document.getElementById("message");
  message.textContent = "Opening …";
  try {
    const answer = await fetch("/status/session", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ link }),
    });
    if (answer.ok) {
      location.replace("/status");
    } else {
      message.textContent = (await answer.json()).detail;
    }
  } catch {
    message.textContent = "The API does not answer; ask for a new link once it does.";
  }
}
