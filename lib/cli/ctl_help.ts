/** `l7mp ctl --help`. */
export const ctlHelp = `l7mp ctl: asks and changes a running proxy through its REST API.

Usage:
  l7mp ctl [options] get KIND [NAME]        KIND: listeners clusters endpoints rulelists rules routes
                                            sessions, also config and admin
  l7mp ctl [options] add KIND -f FILE       one object, in YAML or JSON; - is standard input
  l7mp ctl [options] add endpoint CLUSTER -f FILE
  l7mp ctl [options] apply -f FILE ...      make the configuration that of these files;
                                            what is the same stays, with its sessions
  l7mp ctl [options] apply --object -f FILE ...
                                            add or update the objects of these files, leave all others
  l7mp ctl [options] delete KIND NAME
  l7mp ctl [options] watch sessions         a line for each change, until interrupted

Options:
  --admin=ADDR       where the API is: PORT, HOST:PORT, unix:/path or https://HOST:PORT (127.0.0.1:1234)
  --token-file=FILE  bearer token, for an API on another machine
  --cafile=FILE      trust these issuers of the API's certificate, too (PEM)
  --cert=FILE --key=FILE
                     show this client certificate (PEM)
  -o, --output=FORM  table, yaml or json (lists: table, one object: yaml)
  -r, --recursive    get: what an object refers to, in its place; delete: that too, and end its sessions
  --list=NAME        add, delete: put a rule into a rule list, or take it out
  --position=N       add --list: before this rule of the list, from 0 (0)
  -h, --help         print this

Examples:
  l7mp ctl get listeners
  l7mp ctl get route web-route --recursive -o json
  l7mp ctl add cluster -f cluster.yaml
  l7mp ctl apply -f gateway.yaml
  l7mp ctl delete listener web --recursive
  l7mp ctl --admin=unix:/run/l7mp.sock watch sessions -o json

Exit status: 0 when it was done, 1 when not; then standard error says why.
`;
