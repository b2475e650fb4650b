// Where the links of mails lead. The token stands behind `#`, so that no server log bears it; it is sent only when
// somebody presses the button, so that programs that look into mails use nothing up.
"use strict";

const WORDS = {
  en: {
    "verify-email": ["Confirm your e-mail address", "Press the button to confirm that the address is yours.", "Confirm", "Thank you: the address is confirmed."],
    "reset-password": ["Choose a new password", "All sessions of the account will end.", "Set the password", "Done: sign in with the new password."],
    "confirm-email": ["Another e-mail address", "Press the button to agree to the change of the address.", "Agree", "Thank you. The address changes once both the old and the new one have agreed."],
    invitation: ["An invitation", "Sign in with the account of the address that the invitation was sent to, and accept it there with this code:", "", ""],
    offer: ["Tickets for you", "Sign in with the account that you have waited with, and take this booking in time (pay it, or confirm it where it costs nothing):", "", ""],
    "sign-in": ["Signing in", "", "", "You are signed in."],
    linked: "From now on you can sign in that way.",
    password: "New password, 8 to 72 bytes",
    code: ["Enter the code of your app, or one of your recovery codes.", "Code", "Sign in", "That is not the code.", "Too late: sign in once more."],
    invalid: "This link is not valid any more: ask for another one.",
    failed: "That did not work. Please try again in a moment.",
  },
  pl: {
    "verify-email": ["Potwierdzenie adresu e-mail", "Naciśnij przycisk, aby potwierdzić, że adres należy do Ciebie.", "Potwierdzam", "Dziękujemy: adres został potwierdzony."],
    "reset-password": ["Ustawienie nowego hasła", "Wszystkie sesje konta zostaną zakończone.", "Ustaw hasło", "Gotowe: można się zalogować nowym hasłem."],
    "confirm-email": ["Zmiana adresu e-mail", "Naciśnij przycisk, aby zgodzić się na zmianę adresu.", "Zgadzam się", "Dziękujemy. Adres zmieni się, gdy potwierdzą go stary i nowy adres."],
    invitation: ["Zaproszenie", "Zaloguj się na konto z adresem, na który wysłano zaproszenie, i przyjmij je tam tym kodem:", "", ""],
    offer: ["Bilety dla Ciebie", "Zaloguj się na konto, z którego czekano na bilety, i opłać na czas tę rezerwację:", "", ""],
    "sign-in": ["Logowanie", "", "", "Zalogowano."],
    linked: "Od teraz można logować się w ten sposób.",
    password: "Nowe hasło, od 8 do 72 bajtów",
    code: ["Wpisz kod z aplikacji albo jeden z kodów zapasowych.", "Kod", "Zaloguj", "To nie ten kod.", "Za późno: zaloguj się jeszcze raz."],
    invalid: "Ten odnośnik jest już nieważny: poproś o kolejny.",
    failed: "Nie udało się. Spróbuj ponownie za chwilę.",
  },
};
const CALLS = { "verify-email": "email/verify", "reset-password": "password/reset", "confirm-email": "email/agree" };

const language = navigator.language.startsWith("pl") ? "pl" : "en";
const words = WORDS[language];
const page = location.pathname.split("/").pop();
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
const by = (id) => document.getElementById(id);

function answer(text, good) {
  by("answer").textContent = text;
  by("answer").className = good ? "good" : "bad";
}

function post(call, body) {
  return fetch(`/api/v1/auth/${call}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

// Shows the form with its button, and calls `sends` each time that it is sent off.
function ask(button, sends) {
  by("button").textContent = button;
  by("form").hidden = false;
  by("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    by("button").disabled = true;
    await sends().catch(() => answer(words.failed, false));
    by("button").disabled = false;
  });
}

function showField(label) {
  by("label").textContent = label;
  for (const id of ["label", "field"]) by(id).hidden = false;
  by("field").required = true;
}

function done(text) {
  by("form").hidden = true;
  answer(text, true);
}

async function send() {
  const reply = await post(CALLS[page], page === "reset-password" ? { token, password: by("field").value } : { token });
  if (reply.ok) return done(words[page][3]);
  const problem = await reply.json().catch(() => ({}));
  const field = (problem.errors ?? [])[0];
  if (field?.field === "password") answer(field.message, false);
  else answer(field ? words.invalid : words.failed, false);
}

// The end of a sign-in by a provider: the code works once, for this browser.
async function signIn(told) {
  if (told.has("linked")) return answer(words.linked, true);
  if (!told.has("code")) return answer(`${words.failed} (${told.get("error")})`, false);
  const reply = await post("web/oauth/exchange", { code: told.get("code") });
  if (reply.status === 202) askForCode((await reply.json()).challenge);
  else if (reply.ok) answer(words[page][3], true);
  else answer(words.failed, false);
}

// The account has a second factor: a challenge stands for what was shown so far.
function askForCode(challenge) {
  const [text, label, button, wrong, late] = words.code;
  by("text").textContent = text;
  showField(label);
  by("field").type = "text";
  by("field").removeAttribute("minlength");
  by("field").autocomplete = "one-time-code";
  ask(button, async () => {
    const reply = await post("web/login/second-factor", { challenge, code: by("field").value });
    if (reply.ok) return done(words[page][3]);
    answer({ 401: late, 422: wrong }[reply.status] ?? words.failed, false);
  });
}

function show() {
  document.documentElement.lang = language;
  const [title, text, button] = words[page] ?? [];
  if (!title) return;
  const told = new URLSearchParams(location.search);
  // The address bar and the history need not keep it.
  history.replaceState(null, "", location.pathname);
  document.title = `${title} · GoTicket`;
  by("title").textContent = title;
  by("text").textContent = text;
  if (page === "sign-in") {
    signIn(told).catch(() => answer(words.failed, false));
    return;
  }
  if (!CALLS[page]) {
    by("answer").textContent = token;
    return;
  }
  if (page === "reset-password") showField(words.password);
  ask(button, send);
}

show();
