// Links that are given away carry their secret in the fragment, which no server sees and no log keeps; it is spent by POST.

/** Move the secret from the address into the form that asks for it, and send the form if that is all it needs. */
export function secretFromFragment(): void {
  const field = document.querySelector<HTMLInputElement>("input[data-from-fragment]");
  const secret = decodeURIComponent(location.hash.slice(1));
  if (!field || !secret) return;
  field.value = secret;
  history.replaceState(null, "", location.pathname + location.search);
  for (const part of document.querySelectorAll<HTMLElement>("[data-without-secret]")) part.hidden = true;
  for (const part of document.querySelectorAll<HTMLElement>("[data-with-secret]")) part.hidden = false;
  if (field.form?.dataset["sendAtOnce"] !== undefined) field.form.requestSubmit();
}
