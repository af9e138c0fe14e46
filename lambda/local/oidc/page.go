package oidc

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"
)

// page is what a person sees of the provider.
type page struct {
	Kind  string // "in": sign in; "confirm": sign out?; "out": signed out
	Wrong string // key of a text: why it did not work; "" at first
	Next  string // query of the authorization request that waits
	Ask   bool   // for a password

	Text  map[string]string
	Paths map[string]string
	Lang  string
}

//go:embed page.html
var pageText string

//go:embed signin.css
var style []byte

var pages = template.Must(template.New("page").Parse(pageText))

// texts are what the pages say.
var texts = map[string]map[string]string{
	"en": {
		"title": "Data Transfer Hub", "in": "Sign in", "open": "Open the sign-in link that the hub printed when it started.", "new": "For a new link, run this on the hub's machine:",
		"password": "Password", "enter": "Sign in", "confirm": "Sign out of the hub?", "leave": "Sign out", "out": "You are signed out.", "home": "Go to the console",
		"wrong.link": "This link was used before, or has expired.", "wrong.password": "This is not the password.", "wrong.wait": "There were too many attempts. Wait a moment, then try again.",
	},
	"zh-CN": {
		"title": "Data Transfer Hub", "in": "登录", "open": "请打开 hub 启动时打印的登录链接。", "new": "如需新的链接，请在 hub 所在的机器上运行：",
		"password": "密码", "enter": "登录", "confirm": "要退出 hub 吗？", "leave": "退出", "out": "您已退出。", "home": "前往控制台",
		"wrong.link": "此链接已被使用或已过期。", "wrong.password": "密码不正确。", "wrong.wait": "尝试次数过多，请稍候再试。",
	},
}

// NewLinkCommand is the command that the sign-in page names for a new link.
const NewLinkCommand = "dth local link"

// askToSignIn shows the sign-in page. wrong is what went wrong: "", link, password, wait.
func (p *Provider) askToSignIn(w http.ResponseWriter, r *http.Request, status int, wrong string) {
	ask := page{Kind: "in", Ask: p.options.Password != nil}
	if r.URL.Path == PathAuthorize {
		ask.Next = r.URL.RawQuery
	} else if r.Method == http.MethodPost {
		ask.Next = r.PostForm.Get("next")
	}
	if wrong != "" {
		ask.Wrong = "wrong." + wrong
	}
	p.show(w, r, status, ask)
}

func (p *Provider) askToSignOut(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, http.StatusOK, page{Kind: "confirm"})
}

func (p *Provider) show(w http.ResponseWriter, r *http.Request, status int, one page) {
	one.Lang = "en"
	if first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ","); strings.HasPrefix(strings.ToLower(first), "zh") {
		one.Lang = "zh-CN"
	}
	one.Text = texts[one.Lang]
	one.Paths = map[string]string{"style": pathStyle, "in": PathSignIn, "out": PathSignOut, "command": NewLinkCommand}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", one.Lang)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers say of a form that it comes from nowhere: Origin: null
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_ = pages.Execute(w, one) // a reader that went away needs no page
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(style) // a reader that went away needs no style
}
