package integration
import ("testing";"time";"fmt";"os";"github.com/fathomhq/fathom/internal/kernel")
func TestZZ(t *testing.T) {
 if os.Getenv("DBG")=="" {t.Skip()}
 f:=load(t, kernel.Options{})
 addr:=serveNginx(t)
 client:=start(t, clientName, nil)
 go func(){ var r LoadReply; client.call.Call("Load.Get",&LoadCall{Addr:addr,Requests:200000,Connections:16,Kinds:[]Kind{{"GET","/200",0}}},&r); fmt.Println("done",r.Counts,r.Errors) }()
 last:=f.count()
 show:=func(what string){ n:=f.count(); d:=n.sub(last); last=n; fmt.Println(what); for k,v:=range d { if exchangesAndLost(k) {fmt.Println("   ",k,v)} } }
 time.Sleep(time.Second); show("steady")
 f.k.Detach(); time.Sleep(50*time.Millisecond); f.k.Attach()
 show("after attach")
 for i:=0;i<4;i++ { time.Sleep(500*time.Millisecond); show("later") }
}
