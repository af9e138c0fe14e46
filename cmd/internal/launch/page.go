package launch

import (
	"fmt"
	"html"
	"strings"
)

// Text returns the links one a line: template, region, address.
func Text(links []Link) string {
	var b strings.Builder
	for _, l := range links {
		fmt.Fprintf(&b, "%s %s %s\n", l.Name, l.Region, l.URL)
	}
	return b.String()
}

// Markdown returns a table of links for each template.
func Markdown(links []Link, version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Launch Data Transfer Hub %s\n", version)
	for i, l := range links {
		if i == 0 || l.Name != links[i-1].Name {
			fmt.Fprintf(&b, "\n## %s\n\n| region | partition | launch | template |\n|---|---|---|---|\n", l.Template.Title)
		}
		// Addresses hold neither brackets nor bars: values are percent-encoded.
		fmt.Fprintf(&b, "| %s | %s | [Launch](%s) | [%s](%s) |\n", l.Region, l.Partition, l.URL, l.Name, l.TemplateURL)
	}
	return b.String()
}

// HTML returns a page with the same tables. It loads nothing.
func HTML(links []Link, version string) string {
	var b strings.Builder
	title := "Launch Data Transfer Hub " + version
	fmt.Fprintf(&b, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>%s</title>\n</head>\n<body>\n<h1>%[1]s</h1>\n",
		html.EscapeString(title))
	for i, l := range links {
		if i == 0 || l.Name != links[i-1].Name {
			if i > 0 {
				b.WriteString("</table>\n")
			}
			fmt.Fprintf(&b, "<h2>%s</h2>\n<table>\n<tr><th scope=\"col\">region</th><th scope=\"col\">partition</th><th scope=\"col\">launch</th><th scope=\"col\">template</th></tr>\n", html.EscapeString(l.Template.Title))
		}
		fmt.Fprintf(&b, "<tr><td>%s</td><td>%s</td><td><a href=\"%s\">Launch in %s</a></td><td><a href=\"%s\">%s</a></td></tr>\n",
			l.Region, l.Partition, html.EscapeString(l.URL), l.Region, html.EscapeString(l.TemplateURL), html.EscapeString(l.Name))
	}
	if len(links) > 0 {
		b.WriteString("</table>\n")
	}
	b.WriteString("</body>\n</html>\n")
	return b.String()
}
