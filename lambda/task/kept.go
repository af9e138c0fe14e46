package task

import "maps"

// keep fills in what parameters leave out and a task has to keep: of the task, or of the hub when there is none yet.
func (p *Plugin) keep(given map[string]string, t *Task) map[string]string {
	all := maps.Clone(given)
	for _, name := range p.Kept {
		declared, ok := p.Contract.Find(name)
		if !ok || given[name] != "" {
			continue
		}
		value := declared.Default
		if t != nil {
			value = t.Parameters[name]
		}
		if value != "" {
			if all == nil {
				all = map[string]string{}
			}
			all[name] = value
		}
	}
	return all
}
