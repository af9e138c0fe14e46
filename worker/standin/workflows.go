package standin

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
)

// Invoke answers for a Lambda: what the function of this name makes of a payload. An error is the function's own.
type Invoke func(function string, payload []byte) ([]byte, error)

// Workflows is a server that executes state machines, with the Lambdas that it invokes in this process.
type Workflows struct {
	*Server
	// Front is the address that answers for Lambdas, too: calls that do not come from state machines go there.
	Front string
	front *http.Server
	dir   string

	mu     sync.Mutex
	invoke Invoke
}

// patch mends moto 5.2.1: it copies a state machine whole, its threads included, which fails at the second execution; and it
// hands the parameters of states:startExecution to its client in Amazon States Language's spelling.
const patch = `import copy
import json
import moto.stepfunctions.models as models
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_sfn as sfn

models.StateMachine.__deepcopy__ = lambda self, memo: copy.copy(self)
start = sfn.StateTaskServiceSfn._eval_service_task

def spelled(self, env, resource_runtime_part, normalised_parameters, state_credentials):
    given = {key[0].lower() + key[1:]: value for key, value in normalised_parameters.items()}
    if not isinstance(given.get("input", ""), str):
        given["input"] = json.dumps(given["input"])
    start(self, env, resource_runtime_part, given, state_credentials)

sfn.StateTaskServiceSfn._eval_service_task = spelled
`

// StartWorkflows starts a server whose state machines are executed. Set says who answers for their Lambdas.
func StartWorkflows() (*Workflows, error) {
	dir, err := os.MkdirTemp("", "dth-moto-")
	if err != nil {
		return nil, err
	}
	w := &Workflows{dir: dir}
	if err := os.WriteFile(filepath.Join(dir, "sitecustomize.py"), []byte(patch), 0o600); err != nil {
		return nil, errors.Join(err, w.Stop())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, w.Stop())
	}
	port := listener.Addr().(*net.TCPAddr).Port
	w.Front = "http://" + listener.Addr().String()
	w.Server, err = start(fmt.Sprintf("MOTO_PORT=%d", port), "PYTHONPATH="+dir)
	if err != nil {
		_ = listener.Close()
		return nil, errors.Join(err, w.Stop())
	}
	target, err := url.Parse(w.URL)
	if err != nil {
		return nil, errors.Join(err, w.Stop())
	}
	pass := httputil.NewSingleHostReverseProxy(target)
	pass.Transport = &http.Transport{DisableKeepAlives: true}
	w.front = &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.serve(rw, r, pass) })}
	go func() { _ = w.front.Serve(listener) }() // ends with Stop
	return w, w.execute()
}

// execute switches the interpreter on.
func (w *Workflows) execute() error {
	resp, err := w.client.Post(w.URL+"/moto-api/config", "application/json", strings.NewReader(`{"stepfunctions":{"execute_state_machine":true}}`))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // only the status matters
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("switching on the execution of state machines: %s", resp.Status)
	}
	return nil
}

// Set says who answers for Lambdas from now on.
func (w *Workflows) Set(invoke Invoke) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.invoke = invoke
}

func (w *Workflows) serve(rw http.ResponseWriter, r *http.Request, pass http.Handler) {
	name, isInvoke := strings.CutPrefix(r.URL.Path, "/2015-03-31/functions/")
	name, isInvocation := strings.CutSuffix(name, "/invocations")
	if !isInvoke || !isInvocation {
		pass.ServeHTTP(rw, r)
		return
	}
	w.mu.Lock()
	invoke := w.invoke
	w.mu.Unlock()
	payload, err := io.ReadAll(r.Body)
	if err != nil || invoke == nil {
		http.Error(rw, "nobody answers", http.StatusInternalServerError)
		return
	}
	answer, err := invoke(name, payload)
	if err != nil {
		rw.Header().Set("X-Amz-Function-Error", "Unhandled")
		answer = fmt.Appendf(nil, `{"errorMessage":%q,"errorType":%q}`, err.Error(), typeName(err))
	}
	rw.Header().Set("Content-Type", "application/json")
	_, _ = rw.Write(answer)
}

// typeName is how Lambda calls an error: by the name of its type.
func typeName(err error) string {
	t := reflect.TypeOf(err)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

// Stop ends the server.
func (w *Workflows) Stop() error {
	var err error
	if w.Server != nil {
		err = w.Server.Stop()
	}
	if w.front != nil {
		err = errors.Join(err, w.front.Close())
	}
	return errors.Join(err, os.RemoveAll(w.dir))
}
